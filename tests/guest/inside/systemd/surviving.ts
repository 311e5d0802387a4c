/** What has to live on when systemd restarts the daemon, or when memory is short. */
import { assertEquals, assertNotEquals } from "@std/assert";
import { ContainerState, NamespaceMode } from "../../../../proto/gen/runtime/v1/api.ts";
import { processesIn } from "../../../support/cgroups.ts";
import { run, waitUntil } from "../../../support/command.ts";
import { type Container, readLog, type Workbench } from "../../../support/pods.ts";
import { ticking } from "../../../faults/survival.ts";
import { cgroupOf, property, unitsLike } from "../../../support/units.ts";

const bomb = ["/bin/sh", "-c", "x=0123456789abcdef; while :; do x=$x$x; done"];

/** A restart, and a kill -9 that systemd mends: containers, their monitors and their logs go on. */
export async function outlivesTheDaemon(bench: Workbench): Promise<void> {
  const { daemon } = bench;
  const containers: Container[] = [];
  for (const runtime of ["runc", "crun"]) {
    const sandbox = await bench.sandbox({
      linux: { securityContext: { namespaceOptions: { pid: NamespaceMode.POD } } },
    }, runtime);
    containers.push(await bench.run({ command: ticking }, sandbox));
  }
  const monitorOf = ({ id }: Container) => monitors(bench, id)[0];
  const before = containers.map(monitorOf);
  for (const how of ["restart", "kill9"] as const) {
    const pid = daemon.pid;
    await daemon[how]();
    assertNotEquals(daemon.pid, pid);
    assertEquals(containers.map(monitorOf), before, `monitors after ${how}`);
    for (const container of containers) {
      assertEquals((await bench.status(container.id)).state, ContainerState.CONTAINER_RUNNING);
      assertEquals(await bench.sh(container, "echo inside"), "inside");
      const lines = readLog(container.log).length;
      await waitUntil("its log goes on", () => readLog(container.log).length > lines);
    }
  }
  for (const { id, sandbox } of containers) {
    await bench.client.stopContainer({ containerId: id, timeout: 10n });
    assertEquals((await bench.status(id)).exitCode, 42);
    await bench.remove(sandbox.id);
  }
}

function monitors({ node }: Workbench, id: string): number[] {
  const found = processesIn(`/${node.name}.slice/${node.name}-monitors.slice`).filter((pid) =>
    cgroupOf(pid).includes(id)
  );
  if (found.length === 0) throw new Error(`container ${id} has no monitor`);
  return found;
}

/** The pod's slice has a limit and the container none: the monitor, which is elsewhere, lives to tell the exit code. */
export async function podMemoryBomb(bench: Workbench): Promise<void> {
  const slice = `${bench.node.name}-limited.slice`;
  const file = `/run/systemd/system/${slice}`;
  await Deno.writeTextFile(file, "[Unit]\nDefaultDependencies=no\n[Slice]\nMemoryMax=48M\nMemorySwapMax=0\n");
  await run("systemctl", ["daemon-reload"]);
  await run("systemctl", ["start", slice]);
  try {
    const container = await bench.run({ command: bomb }, await bench.sandbox({ linux: { cgroupParent: slice } }));
    assertEquals((await bench.exited(container.id)).exitCode, 137);
    await bench.remove(container.sandbox.id);
    assertEquals(await property(slice, "ActiveState"), "active", "who made the slice takes it away");
  } finally {
    await run("systemctl", ["stop", slice]);
    await Deno.remove(file);
    await run("systemctl", ["daemon-reload"]);
  }
}

/** With the daemon its own slices go, and systemd has nothing more of it. */
export async function leavesNothing({ daemon, node }: Workbench): Promise<void> {
  await daemon.stop();
  const ours = async () => [...await unitsLike(`${node.name}*.slice`), ...await unitsLike("skiff-*.scope")];
  await waitUntil("systemd has none of our units", async () => (await ours()).length === 0).catch(async (error) => {
    throw new Error(`${error.message}: ${(await ours()).join(", ")}`);
  });
  await daemon.start();
}
