import { assertEquals, assertThrows } from "@std/assert";
import { kernel } from "../../../src/sys/mod.ts";

Deno.test({
  name: "mountFrom() takes relative names from the folder, and comes back where it may not read (root)",
  ignore: Deno.uid() !== 0,
  permissions: { ffi: true, read: false },
  // libc stays loaded.
  sanitizeResources: false,
  async fn() {
    const cwd = () => kernel.readlink("/proc/thread-self/cwd");
    const before = cwd();
    const folder = `/tmp/skiff-mount-from-${crypto.randomUUID().slice(0, 8)}`;
    const target = `${folder}/target`;
    for (const name of ["0", "1", "target"]) kernel.mkdirs(`${folder}/${name}`);
    kernel.writeFile(`${folder}/0/upper`, "");
    kernel.writeFile(`${folder}/1/lower`, "");
    try {
      kernel.mountFrom(folder, "overlay", target, "overlay", 0, "lowerdir=0:1");
      const names = kernel.readDirectory(target).map(({ name }) => name).sort();
      await kernel.umount(target, 0);
      assertEquals([names, cwd()], [["lower", "upper"], before]);
      assertThrows(
        () => kernel.mountFrom(folder, "overlay", target, "overlay", 0, "lowerdir=2:3"),
        Error,
        "lowerdir=2:3",
      );
      assertThrows(() => kernel.mountFrom(`${folder}/none`, "overlay", target, "overlay", 0, ""), Error, "chdir");
      assertEquals(cwd(), before);
    } finally {
      await kernel.removeTree(folder);
    }
  },
});
