import type { LinuxContainerResources } from "../../../proto/gen/runtime/v1/api.ts";
import { invalid, quote } from "../refusal.ts";
import type { Resources } from "../spec.ts";
import type { NodeLimits, RuntimeHandler } from "../types.ts";
import type { Section } from "./section.ts";

/**
 * Below this the runtime's own start-up in the container's cgroup is killed for memory, with an error that nobody
 * understands. runc 1.1 failed with 3 MiB and worked with 4; the rest is reserve.
 */
const MEMORY_MIN = { runc: 6 << 20, crun: 512 << 10 };

const CPUSET = /^\d+(-\d+)?(,\d+(-\d+)?)*$/;
const CPUSET_LENGTH = 4096;
const UNIFIED_MAX = 128;

/** Limits of the container without its device rules: what the request asks for, and the node's limit of processes. */
export function resourceSection({ input: { node, runtime }, resources, config, notes }: Section): Resources {
  return {
    ...translateResources(resources, node, runtime, notes),
    ...(config.pidsLimit > 0 && node.controllers.has("pids") && { pids: { limit: config.pidsLimit } }),
  };
}

/** Resources of a request in the words of the OCI specification; what has no controller on this node is noted and left out. */
export function translateResources(
  request: LinuxContainerResources,
  node: NodeLimits,
  runtime: RuntimeHandler,
  notes: string[],
): Resources {
  const resources: Resources = {};
  const withController = (controller: string, field: string, wanted: boolean, apply: () => void) => {
    if (!wanted) return;
    if (node.controllers.has(controller)) apply();
    else notes.push(`${field} has no effect: this node has no ${controller} cgroup controller`);
  };
  const { cpuShares, cpuQuota, cpuPeriod, cpusetCpus, cpusetMems } = request;
  withController("cpu", "the CPU limit", cpuShares !== 0n || cpuQuota !== 0n || cpuPeriod !== 0n, () => {
    resources.cpu = cpu(request);
  });
  withController("cpuset", "cpuset_cpus, cpuset_mems", cpusetCpus !== "" || cpusetMems !== "", () => {
    resources.cpu = { ...resources.cpu, ...cpuset(request) };
  });
  withController(
    "memory",
    "the memory limit",
    request.memoryLimitInBytes !== 0n || request.memorySwapLimitInBytes !== 0n,
    () => {
      resources.memory = memory(request, node, runtime, notes);
    },
  );
  const hugepages = request.hugepageLimits.map(({ pageSize, limit }) => ({
    pageSize: hugepageSize(pageSize),
    limit: integer("hugepage_limits", limit, 0n),
  }));
  // The kubelet sends a limit of 0 for every page size that the node has.
  if (node.controllers.has("hugetlb")) {
    if (hugepages.length > 0) resources.hugepageLimits = hugepages;
  } else if (hugepages.some(({ limit }) => limit > 0)) {
    notes.push("hugepage_limits have no effect: this node has no hugetlb cgroup controller");
  }
  const unified = checkUnified(Object.entries(request.unified));
  if (unified && node.cgroupVersion === 2) resources.unified = unified;
  if (unified && node.cgroupVersion === 1) notes.push("unified has no effect: this node uses cgroup v1");
  return resources;
}

function cpu({ cpuShares, cpuQuota, cpuPeriod }: LinuxContainerResources): Resources["cpu"] {
  return {
    ...(cpuShares !== 0n && { shares: integer("cpu_shares", cpuShares, 2n) }),
    ...(cpuQuota !== 0n && { quota: integer("cpu_quota", cpuQuota, -1n) }),
    ...(cpuPeriod !== 0n && { period: integer("cpu_period", cpuPeriod, 1n) }),
  };
}

function cpuset({ cpusetCpus, cpusetMems }: LinuxContainerResources): Resources["cpu"] {
  for (const [field, value] of [["cpuset_cpus", cpusetCpus], ["cpuset_mems", cpusetMems]]) {
    if (value !== "" && (!CPUSET.test(value) || value.length > CPUSET_LENGTH)) {
      throw invalid(field, `${quote(value)} is not a list such as 0-3,7`);
    }
  }
  return { ...(cpusetCpus !== "" && { cpus: cpusetCpus }), ...(cpusetMems !== "" && { mems: cpusetMems }) };
}

function memory(
  request: LinuxContainerResources,
  node: NodeLimits,
  runtime: RuntimeHandler,
  notes: string[],
): Resources["memory"] {
  const limit = integer("memory_limit_in_bytes", request.memoryLimitInBytes, -1n);
  const swap = integer("memory_swap_limit_in_bytes", request.memorySwapLimitInBytes, -1n);
  const least = /(^|\/)crun[^/]*$/.test(runtime.path) ? MEMORY_MIN.crun : MEMORY_MIN.runc;
  if (limit > 0 && limit < least) {
    throw invalid(
      "memory_limit_in_bytes",
      `${limit} is too small for ${runtime.name} to start a container; the least is ${least}`,
    );
  }
  if (swap > 0 && limit > 0 && swap < limit) {
    throw invalid("memory_swap_limit_in_bytes", `${swap} is below the memory limit ${limit}; it is the sum of both`);
  }
  if (swap !== 0 && !node.swapAccounting) {
    notes.push("memory_swap_limit_in_bytes has no effect: this kernel does not account swap");
  }
  return { ...(limit !== 0 && { limit }), ...(swap !== 0 && node.swapAccounting && { swap }) };
}

function hugepageSize(size: string): string {
  if (!/^[1-9]\d{0,5}[KMG]B$/.test(size)) throw invalid("hugepage_limits", `page size ${quote(size)} is not like 2MB`);
  return size;
}

/** Undefined: none are asked for. */
function checkUnified(entries: [string, string][]): Record<string, string> | undefined {
  if (entries.length === 0) return undefined;
  if (entries.length > UNIFIED_MAX) {
    throw invalid("unified", `${entries.length} entries; at most ${UNIFIED_MAX} are taken`);
  }
  for (const [key, value] of entries) {
    // cgroup.* files move and kill processes rather than limit them.
    if (!/^(?!cgroup\.)[a-z_]+\.[A-Za-z0-9_.]+$/.test(key)) {
      throw invalid("unified", `${quote(key)} is not the name of a limit`);
    }
    if (!/^[\x20-\x7e]{1,256}$/.test(value)) throw invalid("unified", `value ${quote(value)} of ${key} is refused`);
  }
  return Object.fromEntries(entries);
}

function integer(field: string, value: bigint, least: bigint): number {
  if (value < least || value > BigInt(Number.MAX_SAFE_INTEGER)) throw invalid(field, `${value} is out of range`);
  return Number(value);
}
