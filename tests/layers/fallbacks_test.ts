/**
 * Kernels that cannot do some things: old_kernel.c refuses the calls, so that the binary needs no switch for tests. What is
 * shown is the same, and Status says what is used and why nothing better; without overlayfs the node is not ready.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { NamespaceMode } from "../../proto/gen/runtime/v1/api.ts";
import { difference } from "../support/leftovers.ts";
import { TestNode } from "../support/node.ts";
import { Workbench } from "../support/pods.ts";
import { waitUntil } from "../support/command.ts";
import { assertRefused } from "../support/pods.ts";
import { Code } from "../support/client.ts";
import { rootTest } from "../support/root_test.ts";
import { buildShim, OldKernel } from "./old_kernel.ts";
import { goodImages as cases, serveLayeredImages, storageLife } from "./storage_life.ts";
import { differences, type Tree, TreeReader } from "./trees.ts";

function test(name: string, body: (node: TestNode) => Promise<void>): void {
  rootTest(name, async () => {
    await using node = await TestNode.start();
    await buildShim(node);
    await serveLayeredImages(node);
    await body(node);
  });
}

test("loop devices and mount(2) show the same images as files and lowerdir+", async (node) => {
  const reader = await TreeReader.build(node);
  let expected: Tree[] | undefined;
  for (const calls of ["", "f", "l", "fl", "e", "el"]) {
    const before = await node.snapshot();
    await using daemon = new OldKernel(node, calls);
    await daemon.start();
    const form = calls.includes("e") ? "folder" : calls.includes("f") ? "erofs-loop" : "erofs-file";
    const storage = await daemon.storage();
    assertEquals([storage.layers, storage.overlay], [form, calls.includes("l") ? "mount" : "lowerdir+"]);
    // What is not used is named, with the kernel's own words.
    assertEquals(/erofs-file \(.*ENO/.test(storage.why), form !== "erofs-file", storage.why);
    assertEquals(/erofs-loop \(/.test(storage.why), form === "folder", storage.why);
    assertEquals(storage.why === "", calls === "");
    if (storage.why !== "") assertStringIncludes(daemon.log(), "storage does not work as well as it could");
    const { trees, mounts } = await storageLife(node, daemon, reader);
    const below = (folder: string) =>
      mounts.split("\n").filter((line) => line.split(" ")[4]?.startsWith(`${daemon.state}/${folder}/`));
    assert(below("layers").length > 0 && below("rootfs").length > 0);
    for (const line of below("layers")) {
      assertEquals(line.includes(" - erofs /dev/loop"), form === "erofs-loop", line);
      assertEquals(line.includes("/unpacked/"), form === "folder", line);
    }
    for (const line of below("rootfs")) assertEquals(line.includes("lowerdir+="), !calls.includes("l"), line);
    expected ??= trees;
    trees.forEach((tree, index) =>
      assertEquals(differences(tree, expected![index]), [], `${calls}: ${cases[index].name}`)
    );
    // Nothing but the image that stayed takes space, and nothing has half a name.
    const { usage, names } = await kept(daemon);
    assertEquals([names.length, usage.inodes > 2n], form === "folder" ? [1, true] : [0, false], calls);
    await daemon.stop();
    // Pods are looked at elsewhere; this is about what is mounted, and over what.
    const left = difference(before, await node.snapshot()).filter((line) => /^(mount|loop device): /.test(line));
    assertEquals(left, [], `without ${calls}`);
  }
});

/** What the image store says that it takes, and the folders that are in it: of layers, and of what mends their merged view. */
async function kept(
  daemon: OldKernel,
): Promise<{ usage: { bytes: bigint; inodes: bigint }; names: string[]; layers: string[] }> {
  const { imageFilesystems: [{ usedBytes, inodesUsed }] } = await daemon.client.imageFsInfo({});
  assertEquals([...Deno.readDirSync(`${daemon.root}/unpacking`)], []);
  const names = [...Deno.readDirSync(`${daemon.root}/unpacked`)].map(({ name }) => name);
  const layers = names.filter((name) => !name.startsWith("chain-"));
  return { usage: { bytes: usedBytes!.value, inodes: inodesUsed!.value }, names, layers };
}

test("a store goes from a kernel without EROFS to one with it and back, while a container runs", async (node) => {
  await using daemon = new OldKernel(node, "e");
  await daemon.start();
  await using bench = new Workbench(daemon);
  const other = node.image(`layered/${cases[0].name}:1`);
  for (const image of [bench.busybox, other]) await bench.pull(image);
  const container = await bench.run();
  const folders = await kept(daemon);
  assert(folders.layers.length > 1);
  await bench.sh(container, "echo kept >/etc/kept");

  await daemon.moveTo("");
  assertEquals((await daemon.storage()).layers, "erofs-file");
  assertEquals(await bench.sh(container, "cat /etc/kept; rm -r /etc/kept; ls /bin/busybox"), "kept\n/bin/busybox");
  // The folder of what is not mounted is of no use any more; that of the running container stays.
  const left = await waitUntil("unused folders are gone", async () => {
    const now = await kept(daemon);
    return now.names.length === 1 && now;
  });
  assert(left.usage.inodes < folders.usage.inodes && left.usage.bytes < folders.usage.bytes);
  const volume = [{ containerPath: "/v", readonly: true, image: { image: other } }];
  const second = await bench.run({ metadata: { name: "second" }, mounts: volume });
  assertEquals(await bench.sh(second, "ls -d /v"), "/v");
  await bench.remove(second.sandbox.id);

  // What was pulled for EROFS is unpacked when it is used for the first time.
  await daemon.moveTo("e");
  const third = await bench.run({ metadata: { name: "third" }, mounts: volume });
  assertEquals(await bench.sh(third, "ls -d /v; true"), "/v");
  assertEquals((await kept(daemon)).layers.sort(), folders.layers.sort());
  for (const { sandbox } of [container, third]) await bench.remove(sandbox.id);
  for (const image of [bench.busybox, other]) await bench.client.removeImage({ image: { image } });
  const { usage, names } = await kept(daemon);
  assertEquals([usage.bytes, usage.inodes, names], [0n, 0n, []]);
});

test("a user namespace shows folders with its own IDs", async (node) => {
  await using daemon = new OldKernel(node, "e");
  await daemon.start();
  assert((await daemon.storage()).idmapped);
  await using bench = new Workbench(daemon);
  await bench.pull();
  const ids = [{ hostId: 200_000, containerId: 0, length: 65_536 }];
  const namespaceOptions = {
    pid: NamespaceMode.CONTAINER,
    usernsOptions: { mode: NamespaceMode.POD, uids: ids, gids: ids },
  };
  const linux = { securityContext: { namespaceOptions } };
  const container = await bench.run({ linux }, await bench.sandbox({ linux }, "crun"));
  assertEquals(await bench.sh(container, "awk '{ print $2 }' /proc/self/uid_map; id -u"), "200000\n0");
  assertEquals(await bench.sh(container, "stat -c %u:%g /bin/busybox /etc"), "0:0\n0:0");
});

test("without overlayfs the node is not ready, and says what it lacks", async (node) => {
  await using daemon = new OldKernel(node, "o");
  await daemon.start();
  await using bench = new Workbench(daemon);
  await bench.pull();
  const { status } = await daemon.client.status({});
  const { status: ready, reason, message } = status!.conditions.find(({ type }) => type === "RuntimeReady")!;
  assertEquals([ready, reason], [false, "NoRootFilesystems"]);
  assertStringIncludes(message, "overlayfs does not work");
  const sandbox = await bench.sandbox();
  await assertRefused(bench.create(sandbox), Code.FAILED_PRECONDITION, "overlayfs does not work");
  assertStringIncludes(daemon.log(), "containers cannot be created");
});
