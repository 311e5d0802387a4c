/** Limits and rights of a request, read back from what the kernel then has. */
import { assertEquals } from "@std/assert";
import { NamespaceMode } from "../../../proto/gen/runtime/v1/api.ts";
import { waitUntil } from "../../support/command.ts";
import { exists } from "../../support/tools.ts";
import type { Workbench } from "../../support/pods.ts";
import { Cgroup, processFile } from "./cgroup.ts";

const MiB = 1 << 20;
const bytes = (mebibytes: number) => BigInt(mebibytes * MiB);
const text = (mebibytes: number) => String(mebibytes * MiB);

export async function limitsAreSet(bench: Workbench, runtime: string): Promise<void> {
  const sandbox = await bench.sandbox({
    linux: { securityContext: { namespaceOptions: { pid: NamespaceMode.POD } } },
  }, runtime);
  assertEquals(processFile(sandbox.id, "oom_score_adj"), "-998");

  // What the kubelet sends for a Guaranteed pod with swap and memory QoS.
  const { id } = await bench.run({
    linux: {
      resources: {
        cpuPeriod: 100_000n,
        cpuQuota: 50_000n,
        cpuShares: 512n,
        cpusetCpus: "0",
        memoryLimitInBytes: bytes(64),
        memorySwapLimitInBytes: bytes(96),
        oomScoreAdj: -997n,
        hugepageLimits: [{ pageSize: "2MB", limit: 0n }],
        unified: { "memory.high": text(48), "memory.min": text(8), "memory.oom.group": "1" },
      },
    },
  }, sandbox);
  assertEquals(processFile(id, "oom_score_adj"), "-997");
  const cgroup = Cgroup.of(id);
  assertEquals(
    cgroup.readAll(
      "cpu.max",
      "cpu.weight",
      "cpuset.cpus",
      "memory.max",
      "memory.swap.max",
      "memory.high",
      "memory.min",
      "memory.oom.group",
      "hugetlb.2MB.max",
    ),
    {
      "cpu.max": "50000 100000",
      "cpu.weight": "20",
      "cpuset.cpus": "0",
      "memory.max": text(64),
      "memory.swap.max": text(32),
      "memory.high": text(48),
      "memory.min": text(8),
      "memory.oom.group": "1",
      "hugetlb.2MB.max": "0",
    },
  );

  await bench.client.updateContainerResources({
    containerId: id,
    linux: {
      cpuPeriod: 100_000n,
      cpuQuota: 75_000n,
      memoryLimitInBytes: bytes(80),
      memorySwapLimitInBytes: bytes(80),
      unified: { "memory.high": text(60) },
    },
  });
  assertEquals(cgroup.readAll("cpu.max", "memory.max", "memory.swap.max", "memory.high"), {
    "cpu.max": "75000 100000",
    "memory.max": text(80),
    "memory.swap.max": "0",
    "memory.high": text(60),
  });
}

export async function privilegedHasAll(bench: Workbench, runtime: string): Promise<void> {
  const security = { securityContext: { privileged: true } };
  const sandbox = await bench.sandbox({ linux: security }, runtime);
  const { id } = await bench.run({ linux: security }, sandbox);
  const all = ((1n << BigInt(Number(Deno.readTextFileSync("/proc/sys/kernel/cap_last_cap")) + 1)) - 1n).toString(16);
  const status = processFile(id, "status");
  for (const set of ["CapPrm", "CapEff", "CapBnd"]) {
    assertEquals(new RegExp(`${set}:\\s+0*(\\w+)`).exec(status)?.[1], all, set);
  }
}

/** Nothing but cgroup.kill is sure to end what goes on forking, and is in no pid namespace of its own. */
export async function forksAreKilled(bench: Workbench, runtime: string): Promise<void> {
  const node = { securityContext: { namespaceOptions: { pid: NamespaceMode.NODE } } };
  const sandbox = await bench.sandbox({ linux: node }, runtime);
  const script = "forks() { while :; do sleep 60 & sleep 0.1; done; }; forks & forks & sleep 2";
  const { id } = await bench.run({ command: ["/bin/sh", "-c", script], linux: node }, sandbox);
  const cgroup = Cgroup.of(id);
  await bench.exited(id);
  await waitUntil("its cgroup has gone with all that was in it", () => !exists(cgroup.path));
}
