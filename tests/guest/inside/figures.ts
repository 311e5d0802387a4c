/** Swap, pressure and usage as the kernel's files have them, and as the statistics of CRI say. */
import { assert, assertEquals } from "@std/assert";
import type { PsiStats } from "../../../proto/gen/runtime/v1/api.ts";
import { waitUntil } from "../../support/command.ts";
import type { Workbench } from "../../support/pods.ts";
import { Cgroup } from "./cgroup.ts";

const MiB = 1 << 20;

/** tail keeps all of it, as sleep never reads. */
const HOLDS_64_MIB = `head -c ${64 * MiB} /dev/zero | tail -c ${64 * MiB} | sleep 3600`;

export async function swapAndStatistics(bench: Workbench): Promise<void> {
  const pod = `${bench.node.pods}/one`;
  const sandbox = await bench.sandbox({ linux: { cgroupParent: pod } });
  const { id } = await bench.run({
    command: ["/bin/sh", "-c", HOLDS_64_MIB],
    linux: {
      resources: {
        memoryLimitInBytes: BigInt(96 * MiB),
        memorySwapLimitInBytes: BigInt(160 * MiB),
        unified: { "memory.high": String(40 * MiB) },
      },
    },
  }, sandbox);
  const cgroup = Cgroup.of(id);
  await waitUntil("memory above memory.high is in swap", () => cgroup.number("memory.swap.current") > 16 * MiB);
  // Until nothing moves any more.
  let swapped = 0;
  await waitUntil(
    "it has all its memory",
    () => swapped === (swapped = cgroup.number("memory.swap.current")),
    20_000,
    2_000,
  );
  assert(cgroup.value("memory.events", "high") > 0, "memory.high was never hit");

  await statisticsEqualFiles(cgroup, async () => (await bench.client.containerStats({ containerId: id })).stats!);
  const podCgroup = new Cgroup(`/sys/fs/cgroup${pod}`);
  const stats = await statisticsEqualFiles(
    podCgroup,
    async () => (await bench.client.podSandboxStats({ podSandboxId: sandbox.id })).stats!.linux!,
  );
  assertEquals(Number(stats.process!.processCount!.value), podCgroup.number("pids.current"));
  assertEquals(stats.containers.map((one) => one.attributes!.id), [id]);
}

interface Figures {
  cpu?: { usageCoreNanoSeconds?: { value: bigint }; psi?: PsiStats };
  memory?: {
    usageBytes?: { value: bigint };
    workingSetBytes?: { value: bigint };
    rssBytes?: { value: bigint };
    pageFaults?: { value: bigint };
    majorPageFaults?: { value: bigint };
    psi?: PsiStats;
  };
  swap?: { swapUsageBytes?: { value: bigint }; swapAvailableBytes?: { value: bigint } };
  io?: { psi?: PsiStats };
}

/** What the files say grows while we ask: each figure lies between two looks at them, memory within a page or two. */
async function statisticsEqualFiles<T extends Figures>(cgroup: Cgroup, ask: () => Promise<T>): Promise<T> {
  const before = look(cgroup);
  const figures = await ask();
  const after = look(cgroup);
  const { cpu, memory, swap, io } = figures;
  const number = (one: { value: bigint } | undefined) => Number(one?.value ?? NaN);
  const found: Record<string, number> = {
    cpu: number(cpu?.usageCoreNanoSeconds),
    memory: number(memory?.usageBytes),
    workingSet: number(memory?.workingSetBytes),
    rss: number(memory?.rssBytes),
    faults: number(memory?.pageFaults),
    majorFaults: number(memory?.majorPageFaults),
    ...swap && { swap: number(swap.swapUsageBytes), swapLeft: number(swap.swapAvailableBytes) },
  };
  for (const [resource, psi] of Object.entries({ cpu: cpu?.psi, memory: memory?.psi, io: io?.psi })) {
    found[`${resource} some`] = Number(psi?.Some?.Total ?? NaN);
    found[`${resource} full`] = Number(psi?.Full?.Total ?? NaN);
  }
  for (const [name, value] of Object.entries(found)) {
    const [low, high] = [before[name], after[name]].sort((a, b) => a - b);
    const slack = /memory|workingSet|rss|swap/.test(name) && !name.includes(" ") ? MiB : 0;
    assert(
      value >= low - slack && value <= high + slack,
      `${name} of ${cgroup.path}: ${value}, files: ${low} to ${high}`,
    );
  }
  assert(found["memory some"] > 0, "memory was short, and its pressure is 0");
  return figures;
}

function look(cgroup: Cgroup): Record<string, number> {
  const nanoseconds = (resource: string, kind: "some" | "full") => cgroup.pressure(resource, kind) * 1000;
  const memory = cgroup.number("memory.current");
  return {
    cpu: cgroup.value("cpu.stat", "usage_usec") * 1000,
    memory,
    workingSet: memory - cgroup.value("memory.stat", "inactive_file"),
    rss: cgroup.value("memory.stat", "anon"),
    faults: cgroup.value("memory.stat", "pgfault"),
    majorFaults: cgroup.value("memory.stat", "pgmajfault"),
    swap: cgroup.number("memory.swap.current"),
    swapLeft: cgroup.number("memory.swap.max") - cgroup.number("memory.swap.current"),
    "cpu some": nanoseconds("cpu", "some"),
    "cpu full": nanoseconds("cpu", "full"),
    "memory some": nanoseconds("memory", "some"),
    "memory full": nanoseconds("memory", "full"),
    "io some": nanoseconds("io", "some"),
    "io full": nanoseconds("io", "full"),
  };
}
