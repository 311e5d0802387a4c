/** The guest's kernel can lose EROFS for good: it is a module there. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { goodImages, serveLayeredImages, storageLife } from "../../layers/storage_life.ts";
import { differences, type Tree, TreeReader } from "../../layers/trees.ts";
import { run } from "../../support/command.ts";
import { Instance } from "../../support/instance.ts";
import type { Workbench } from "../../support/pods.ts";

/** Emulated, a pull takes seconds. */
const images = goodImages.filter((_, index) => index % 4 === 0);
const LOADER = "/proc/sys/kernel/modprobe";

/** The same images on a kernel with EROFS, and on the same kernel without: what they show is equal. */
export async function foldersWithoutErofs({ node }: Workbench): Promise<void> {
  await serveLayeredImages(node);
  const reader = await TreeReader.build(node);
  const show = async (form: string): Promise<Tree[]> => {
    await using daemon = new Instance(node, { title: form });
    await daemon.start();
    const { layers, why } = JSON.parse((await daemon.client.status({ verbose: true })).info.storage);
    assertEquals(layers, form);
    assertStringIncludes(why, form === "folder" ? "erofs-loop (" : "erofs-file (");
    const { trees, mounts } = await storageLife(node, daemon, reader, images);
    assertEquals(/ - erofs /.test(mounts), form === "erofs-loop");
    await daemon.stop();
    return trees;
  };
  const expected = await show("erofs-loop");
  const loader = await Deno.readTextFile(LOADER);
  await Deno.writeTextFile(LOADER, "/bin/false");
  await run("busybox", ["rmmod", "erofs"]);
  try {
    assert(!/\berofs$/m.test(await Deno.readTextFile("/proc/filesystems")));
    const shown = await show("folder");
    shown.forEach((tree, index) => assertEquals(differences(tree, expected[index]), [], images[index].name));
  } finally {
    await Deno.writeTextFile(LOADER, loader);
    await run("modprobe", ["erofs"]);
  }
}
