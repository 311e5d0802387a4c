/**
 * Kernels that cannot do some things: old_kernel.c refuses the calls, so that the binary needs no switch for tests. What is
 * shown is the same; without EROFS, Status says what is missing.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Instance } from "../support/instance.ts";
import { difference } from "../support/leftovers.ts";
import { TestNode } from "../support/node.ts";
import { Workbench } from "../support/pods.ts";
import { run } from "../support/command.ts";
import { assertRefused } from "../support/pods.ts";
import { Code } from "../support/client.ts";
import { rootTest } from "../support/root_test.ts";
import { layeredImages } from "./layered_images.ts";
import { differences, type Tree, TreeReader } from "./trees.ts";

/** The compiled binary on a kernel that lacks what the letters of `calls` say. */
class OnOldKernel extends Instance {
  constructor(node: TestNode, readonly shim: string, readonly calls: string) {
    super(node, { title: `without-${calls}` });
  }
  protected override command() {
    const { program, args, env } = super.command();
    return { program: this.shim, args: [this.calls, program, ...args], env };
  }
}

const cases = layeredImages.filter(({ refused }) => refused === undefined);

function test(name: string, body: (node: TestNode, shim: string) => Promise<void>): void {
  rootTest(name, async () => {
    await using node = await TestNode.start();
    const shim = `${node.dir}/old_kernel`;
    await run("gcc", ["-O2", "-Wall", "-o", shim, new URL("old_kernel.c", import.meta.url).pathname]);
    for (const { name, image } of cases) await node.registry.add(`layered/${name}`, "1", image);
    await body(node, shim);
  });
}

/** What each image shows as a volume, and what a container does on top of layers; everything goes again. */
async function life(node: TestNode, daemon: Instance, reader: TreeReader): Promise<{ trees: Tree[]; mounts: string }> {
  await using bench = new Workbench(daemon);
  await bench.pull();
  const names = cases.map(({ name }) => node.image(`layered/${name}:1`));
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

test("loop devices and mount(2) show the same images as files and lowerdir+", async (node, shim) => {
  const reader = await TreeReader.build(node);
  let expected: Tree[] | undefined;
  for (const calls of ["", "f", "l", "fl"]) {
    const before = await node.snapshot();
    await using daemon = calls === "" ? new Instance(node, { title: "with-all" }) : new OnOldKernel(node, shim, calls);
    await daemon.start();
    const { trees, mounts } = await life(node, daemon, reader);
    const below = (folder: string) =>
      mounts.split("\n").filter((line) => line.split(" ")[4]?.startsWith(`${daemon.state}/${folder}/`));
    assert(below("layers").length > 0 && below("rootfs").length > 0);
    for (const line of below("layers")) assertEquals(line.includes(" - erofs /dev/loop"), calls.includes("f"), line);
    for (const line of below("rootfs")) assertEquals(line.includes("lowerdir+="), !calls.includes("l"), line);
    expected ??= trees;
    trees.forEach((tree, index) =>
      assertEquals(differences(tree, expected![index]), [], `${calls}: ${cases[index].name}`)
    );
    await daemon.stop();
    // Pods are looked at elsewhere; this is about what is mounted, and over what.
    const left = difference(before, await node.snapshot()).filter((line) => /^(mount|loop device): /.test(line));
    assertEquals(left, [], `without ${calls}`);
  }
});

test("without EROFS no container is made, and Status says what the kernel lacks", async (node, shim) => {
  await using daemon = new OnOldKernel(node, shim, "e");
  await daemon.start();
  await using bench = new Workbench(daemon);
  await bench.pull();
  const sandbox = await bench.sandbox();
  await assertRefused(bench.create(sandbox), Code.FAILED_PRECONDITION, "CONFIG_EROFS_FS");
  const { info } = await daemon.client.status({ verbose: true });
  assertStringIncludes(JSON.stringify(info), "CONFIG_EROFS_FS");
});
