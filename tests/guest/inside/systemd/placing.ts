/** Where systemd has pods, containers and monitors, and what it knows of their limits. */
import { assert, assertEquals } from "@std/assert";
import { CgroupDriver, NamespaceMode } from "../../../../proto/gen/runtime/v1/api.ts";
import { Code } from "../../../../src/rpc/status.ts";
import { waitUntil } from "../../../support/command.ts";
import { assertRefused, type Workbench } from "../../../support/pods.ts";
import { exists } from "../../../support/tools.ts";
import { Cgroup } from "../cgroup.ts";
import { cgroupOf, properties, property, unitsLike } from "../../../support/units.ts";

const MiB = 1 << 20;

export async function tellsTheKubelet({ client, node }: Workbench): Promise<void> {
  assertEquals((await client.runtimeConfig({})).linux?.cgroupDriver, CgroupDriver.SYSTEMD);
  const { info } = await client.status({ verbose: true });
  assertEquals(JSON.parse(info.cgroups), { driver: "systemd", version: 2 });
  assertEquals(await unitsLike(`${node.name}*.slice`), [
    `${node.name}-monitors-monitors.slice`,
    `${node.name}-monitors.slice`,
    `${node.name}-monitors_pulls.slice`,
    `${node.name}.slice`,
  ]);
  const pulls = `${node.name}-monitors_pulls.slice`;
  assertEquals(await properties(pulls, "ActiveState", "CPUWeight", "ControlGroup"), {
    ActiveState: "active",
    CPUWeight: "10",
    ControlGroup: `/${node.name}.slice/${pulls}`,
  });
}

export async function refusesOtherParents(bench: Workbench): Promise<void> {
  for (const cgroupParent of ["/kubepods/pod1", "kubepods--a.slice", "/a.slice/b.slice", "-.slice", "a\nb.slice"]) {
    await assertRefused(bench.sandbox({ linux: { cgroupParent } }), Code.INVALID_ARGUMENT, "cgroup_parent");
  }
}

/** The kubelet sends the slice by its path; who writes by hand gives its name. */
export async function slicesAndScopes(bench: Workbench, runtime: string): Promise<void> {
  const { client, node } = bench;
  const slice = `${node.name}-pods-${runtime}.slice`;
  const path = `${node.pods}/${slice}`;
  const sandbox = await bench.sandbox({
    linux: { cgroupParent: slice, securityContext: { namespaceOptions: { pid: NamespaceMode.POD } } },
  }, runtime);
  assertEquals(await properties(slice, "ActiveState", "ControlGroup"), { ActiveState: "active", ControlGroup: path });
  const pause = `skiff-${sandbox.id}-pause.scope`;
  assertEquals(await properties(pause, "ActiveState", "Slice"), { ActiveState: "active", Slice: slice });

  const { id } = await bench.run({
    linux: {
      resources: {
        cpuPeriod: 100_000n,
        cpuQuota: 50_000n,
        cpuShares: 512n,
        memoryLimitInBytes: BigInt(64 * MiB),
        memorySwapLimitInBytes: BigInt(64 * MiB),
      },
    },
  }, sandbox);
  const scope = `skiff-${id}.scope`;
  assertEquals(await properties(scope, "ActiveState", "ControlGroup", "Slice"), {
    ActiveState: "active",
    ControlGroup: `${path}/${scope}`,
    Slice: slice,
  });
  const cgroup = new Cgroup(`/sys/fs/cgroup${path}/${scope}`);
  assertEquals(cgroup.processes.map(cgroupOf), [`${path}/${scope}`], "the container is in the scope itself");
  await limitsAre(cgroup, scope, runtime, { quota: 50_000, memory: 64 * MiB });

  await client.updateContainerResources({
    containerId: id,
    linux: {
      cpuPeriod: 100_000n,
      cpuQuota: 75_000n,
      memoryLimitInBytes: BigInt(80 * MiB),
      memorySwapLimitInBytes: BigInt(80 * MiB),
    },
  });
  await limitsAre(cgroup, scope, runtime, { quota: 75_000, memory: 80 * MiB });
  const { stats } = await client.containerStats({ containerId: id });
  assert(Number(stats?.memory?.usageBytes?.value ?? 0) > 0, "its memory is counted");
  const { stats: podStats } = await client.podSandboxStats({ podSandboxId: sandbox.id });
  assert(Number(podStats?.linux?.memory?.usageBytes?.value ?? 0) > 0, "the pod's memory is counted");

  const monitor = `skiff-conmon-${id}.scope`;
  const monitors = `/${node.name}.slice/${node.name}-monitors.slice/${node.name}-monitors-monitors.slice`;
  assertEquals(await property(monitor, "ControlGroup"), `${monitors}/${monitor}`);
  assertEquals(new Cgroup(`/sys/fs/cgroup${monitors}/${monitor}`).processes.length, 1);

  await bench.remove(sandbox.id);
  await nothingLeft(id, sandbox.id, slice);
  assert(!exists(`/sys/fs/cgroup${path}`), "the slice that was made for the pod has gone with it");
}

async function limitsAre(
  cgroup: Cgroup,
  scope: string,
  runtime: string,
  { quota, memory }: { quota: number; memory: number },
) {
  assertEquals(cgroup.readAll("cpu.max", "cpu.weight", "memory.max", "memory.swap.max"), {
    "cpu.max": `${quota} 100000`,
    "cpu.weight": "20",
    "memory.max": String(memory),
    "memory.swap.max": "0",
  });
  assertEquals(await property(scope, "CPUWeight"), "20");
  // crun 1.8 writes the others into the files alone.
  if (runtime !== "runc") return;
  assertEquals(await properties(scope, "CPUQuotaPerSecUSec", "MemoryMax"), {
    CPUQuotaPerSecUSec: `${quota / 100}ms`,
    MemoryMax: String(memory),
  });
}

async function nothingLeft(...words: string[]): Promise<void> {
  for (const word of words) {
    // A monitor's scope ends by itself, a moment after the monitor.
    await waitUntil(`systemd has forgotten ${word}`, async () => (await unitsLike(`*${word}*`)).length === 0);
  }
}
