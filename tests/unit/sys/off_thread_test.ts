import { assertEquals, assertRejects } from "@std/assert";
import { forgetCached } from "../../../src/sys/mod.ts";
import { cachedBytes } from "../page_cache.ts";
import { CLONE_NEWNET, EBADF, EINVAL, ENOENT, Errno, kernel, MNT_DETACH, O_RDWR } from "../real_kernel.ts";

async function errnoOf(promise: Promise<unknown>): Promise<number> {
  return (await assertRejects(() => promise, Errno) as unknown as Errno).code;
}

Deno.test("umount() on another thread has the errno of its own call", async () => {
  const failures = Array.from(
    { length: 200 },
    (_, i) => errnoOf(kernel.umount(i % 2 ? "/no/such/place" : "/etc/passwd", 0)),
  );
  const codes = await Promise.all(failures);
  assertEquals(codes.filter((code) => code === ENOENT).length, 100);
  if (Deno.uid() === 0) assertEquals(codes.filter((code) => code === EINVAL).length, 100);
});

Deno.test("fsync() and fdatasync() work and fail by their own errno", async () => {
  const path = Deno.makeTempFileSync();
  const fd = kernel.open(path, O_RDWR);
  await Promise.all([kernel.fsync(fd), kernel.fdatasync(fd)]);
  kernel.close(fd);
  assertEquals(await errnoOf(kernel.fsync(fd)), EBADF);
  assertEquals(await errnoOf(kernel.fdatasync(-1)), EBADF);
  Deno.removeSync(path);
});

Deno.test("forgetCached() takes what is written out of the page cache, and fails by its own errno", async () => {
  const path = await Deno.makeTempFile({ dir: "/var/tmp" });
  await Deno.writeFile(path, new Uint8Array(1 << 20));
  const fd = kernel.open(path, O_RDWR);
  await kernel.fdatasync(fd);
  assertEquals(await cachedBytes(path), 1 << 20);
  await forgetCached(fd);
  assertEquals(await cachedBytes(path), 0);
  kernel.close(fd);
  assertEquals(await errnoOf(forgetCached(fd)), EBADF);
  await Deno.remove(path);
});

Deno.test("umount() takes a mount down (root)", { ignore: Deno.uid() !== 0 }, async () => {
  const folder = Deno.makeTempDirSync();
  kernel.mount("tmpfs", folder, "tmpfs", 0, "size=1m,mode=711");
  assertEquals(kernel.stat(folder).mode & 0o777, 0o711);
  await kernel.umount(folder, MNT_DETACH);
  assertEquals(kernel.stat(folder).mode & 0o777, 0o700);
  Deno.removeSync(folder);
});

Deno.test(
  "off-thread calls never run in a namespace that the main thread visits (root)",
  { ignore: Deno.uid() !== 0 },
  async () => {
    const host = Deno.readLinkSync("/proc/self/ns/net");
    const seen: Promise<string>[] = [];
    for (let i = 0; i < 50; i++) {
      kernel.inNewNamespaces(CLONE_NEWNET, () => seen.push(Deno.readLink("/proc/thread-self/ns/net")));
    }
    assertEquals(new Set(await Promise.all(seen)), new Set([host]));
  },
);
