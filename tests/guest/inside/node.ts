/** What the guest is there for: it has all that this machine may lack, and the daemon knows. */
import { assert, assertEquals } from "@std/assert";
import { hierarchies } from "../../support/cgroups.ts";
import { waitUntil } from "../../support/command.ts";
import type { Workbench } from "../../support/pods.ts";

const CAPABILITIES = 41;

export async function knowsItsNode({ client }: Workbench): Promise<void> {
  assertEquals(hierarchies(), ["/sys/fs/cgroup"]);
  const { info } = await client.status({ verbose: true });
  const [{ node }, storage] = [JSON.parse(info.node), JSON.parse(info.storage)];
  assertEquals([node.cgroupVersion, node.kernelVersion, node.minOomScoreAdj], [2, [6, 1], -1000]);
  assertEquals([node.capabilities.length, node.swapAccounting], [CAPABILITIES, true]);
  for (const controller of ["cpu", "cpuset", "hugetlb", "io", "memory", "pids"]) {
    assert(node.controllers.includes(controller), `no ${controller} in ${node.controllers}`);
  }
  const { layers, overlay, volatile, problem } = storage;
  // EROFS from a file came with 6.12, lowerdir+ with 6.5.
  assertEquals([layers, overlay, volatile, problem], ["erofs-loop", "mount", true, ""]);
}

export async function layersOverLoopDevices(bench: Workbench): Promise<void> {
  assertEquals(backingFiles(bench), []);
  const sandbox = await bench.sandbox();
  const containers = [];
  for (const name of ["one", "two"]) containers.push(await bench.run({ metadata: { name } }, sandbox));
  const files = backingFiles(bench);
  assertEquals(files.length, 1, "two containers of an image with one layer share its loop device");
  const mounts = Deno.readTextFileSync(`/proc/${bench.node.holder.pid}/mountinfo`).match(/ - erofs \/dev\/loop\d+ ro/g);
  assertEquals(mounts?.length, 1);
  for (const container of containers) {
    assertEquals(
      await bench.sh(container, "echo changed > /etc/passwd; cat /etc/passwd; head -1 /etc/group"),
      "changed\nroot:x:0:",
    );
  }
  await bench.remove(sandbox.id);
  await waitUntil("the loop device is free again", () => backingFiles(bench).length === 0);
}

function backingFiles({ node }: Workbench): string[] {
  return [...Deno.readDirSync("/sys/block")].filter(({ name }) => name.startsWith("loop")).flatMap(({ name }) => {
    try {
      return [Deno.readTextFileSync(`/sys/block/${name}/loop/backing_file`).trim()];
    } catch {
      return [];
    }
  }).filter((file) => file.includes(node.name));
}
