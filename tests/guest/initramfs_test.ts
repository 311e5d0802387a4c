import { assertEquals, assertThrows } from "@std/assert";
import { loadOrder } from "./initramfs.ts";

const table = `kernel/fs/9p/9p.ko: kernel/net/9p/9pnet.ko kernel/fs/netfs/netfs.ko
kernel/net/9p/9pnet.ko:
kernel/fs/netfs/netfs.ko: kernel/fs/fscache/fscache.ko
kernel/fs/fscache/fscache.ko:
kernel/drivers/virtio/virtio-pci.ko: kernel/net/9p/9pnet.ko
`;

Deno.test("loadOrder() has each module once, after what it needs", () => {
  assertEquals(loadOrder(table, ["virtio_pci", "9p"]), [
    "kernel/net/9p/9pnet.ko",
    "kernel/drivers/virtio/virtio-pci.ko",
    "kernel/fs/fscache/fscache.ko",
    "kernel/fs/netfs/netfs.ko",
    "kernel/fs/9p/9p.ko",
  ]);
});

Deno.test("loadOrder() names a module that the kernel has not", () => {
  assertThrows(() => loadOrder(table, ["overlay"]), Error, "no module overlay");
});
