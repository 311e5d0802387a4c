/** What is shown of every image that is not refused, whatever form of layers the kernel allows. */
import { assertEquals } from "@std/assert";
import type { Instance } from "../support/instance.ts";
import type { TestNode } from "../support/node.ts";
import { Workbench } from "../support/pods.ts";
import { layeredImages } from "./layered_images.ts";
import type { Tree, TreeReader } from "./trees.ts";

export const goodImages = layeredImages.filter(({ refused }) => refused === undefined);

/** Before {@link storageLife}. */
export async function serveLayeredImages(node: TestNode): Promise<void> {
  for (const { name, image } of goodImages) await node.registry.add(`layered/${name}`, "1", image);
}

/** What each image shows as a volume, and what a container does on top of layers; everything goes again. */
export async function storageLife(
  node: TestNode,
  daemon: Instance,
  reader: TreeReader,
  images = goodImages,
): Promise<{ trees: Tree[]; mounts: string }> {
  await using bench = new Workbench(daemon);
  await bench.pull();
  const names = images.map(({ name }) => node.image(`layered/${name}:1`));
  for (const name of names) await bench.pull(name);
  const mounts = names.map((image, index) => ({ containerPath: `/v/${index}`, readonly: true, image: { image } }));
  const container = await bench.run({ mounts });
  assertEquals(
    await bench.sh(container, "rm /etc/group; echo new >/etc/passwd; cat /etc/passwd; ls /etc/group; true"),
    "new",
  );
  const table = Deno.readTextFileSync(`/proc/${node.holder.pid}/mountinfo`);
  const trees: Tree[] = [];
  for (const index of names.keys()) trees.push(await reader.read(`${daemon.state}/rootfs/${container.id}.${index}`));
  // What is mounted is found again by a new process.
  await daemon.restart();
  assertEquals(await bench.sh(container, "cat /etc/passwd"), "new");
  await bench.remove(container.sandbox.id);
  for (const name of names) await bench.client.removeImage({ image: { image: name } });
  return { trees, mounts: table };
}
