import { assert, assertEquals } from "@std/assert";
import { kernel } from "../real_kernel.ts";
import { MNT_DETACH } from "../../../src/sys/mod.ts";
import { buildImage, openStore, writeLayout } from "./support.ts";
import { file, tar } from "./tar_builder.ts";

const MIB = 1 << 20;

/**
 * The mounts of this node's containers are there a second time in a mount namespace that was made private. That the kernel
 * takes them away there, too, when the folders that they are on are removed, is what this relies on: see detach_mounts().
 */
Deno.test("ImageService.remove() frees the space of layers that a private mount namespace had a copy of (root)", {
  ignore: Deno.uid() !== 0,
}, async () => {
  const folder = await Deno.makeTempDir();
  kernel.mount("tmpfs", folder, "tmpfs", 0, "size=64m");
  const free = () => {
    const { blocksAvailable, blockSize } = kernel.statfs(folder);
    return blocksAvailable * blockSize;
  };
  try {
    await using store = await openStore({}, `${folder}/store`);
    const image = buildImage([tar([file("x", new Uint8Array(20 * MIB).fill(3))])]);
    await writeLayout(`${folder}/layout`, [{ image, name: "h.io/held:1" }]);
    const before = free();
    const [{ id }] = await store.service.importLayout(`${folder}/layout`, undefined, {});
    await store.service.mountRootfs({ id: "c", image: store.service.resolve(id)!, readonly: false });
    const used = before - free();
    assert(used >= 20 * MIB, `${used} bytes`);
    const args = ["--mount", "--propagation", "private", "sleep", "120"];
    const foreign = new Deno.Command("unshare", { args }).spawn();
    const mounts = () =>
      Deno.readTextFileSync(`/proc/${foreign.pid}/mountinfo`).split("\n").filter((line) =>
        line.includes(`${folder}/store`) && / - (?:erofs|overlay) /.test(line)
      ).length;
    try {
      const comm = () => Deno.readTextFileSync(`/proc/${foreign.pid}/comm`).trim();
      while (comm() !== "sleep") await new Promise((resolve) => setTimeout(resolve, 10));
      assertEquals(mounts(), 2, "the layer and the overlay");
      await store.service.unmountRootfs("c");
      await store.service.remove(id, () => []);
      assertEquals(mounts(), 0);
      for (const until = Date.now() + 10_000; before - free() > MIB && Date.now() < until;) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      assert(before - free() < MIB, `${before - free()} bytes are still held`);
    } finally {
      foreign.kill("SIGKILL");
      await foreign.status;
    }
  } finally {
    await kernel.umount(folder, MNT_DETACH);
    await Deno.remove(folder);
  }
});
