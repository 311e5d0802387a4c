import type { Kernel } from "../sys/mod.ts";
import { difference, parseFlatKeyed, readIfThere, readNumber } from "./files.ts";
import type { CgroupUsage } from "./types.ts";

/** cgroup v1 has no "unlimited" but the largest whole number of pages; anything as large limits nothing. */
const UNLIMITED = 1n << 62n;

/** Reads a cgroup of the v1 hierarchies; `paths` by controller. */
export function readCgroupV1(kernel: Kernel, paths: Record<string, string>): Omit<CgroupUsage, "timestamp"> {
  return {
    cpuUsageNanoseconds: paths.cpuacct === undefined ? undefined : readNumber(kernel, `${paths.cpuacct}/cpuacct.usage`),
    ...(paths.memory === undefined ? {} : readMemory(kernel, paths.memory)),
    pids: paths.pids === undefined ? undefined : readNumber(kernel, `${paths.pids}/pids.current`),
  };
}

function readMemory(kernel: Kernel, path: string): Partial<CgroupUsage> {
  const usage = readNumber(kernel, `${path}/memory.usage_in_bytes`);
  const usageWithSwap = readNumber(kernel, `${path}/memory.memsw.usage_in_bytes`);
  const stat = parseFlatKeyed(
    readIfThere(kernel, `${path}/memory.stat`),
    "total_inactive_file",
    "total_rss",
    "total_pgfault",
    "total_pgmajfault",
    "hierarchical_memory_limit",
    "hierarchical_memsw_limit",
  );
  const workingSet = difference(usage, stat.total_inactive_file);
  const swapUsage = difference(usageWithSwap, usage);
  const limit = limited(stat.hierarchical_memory_limit);
  const swapLimit = difference(limited(stat.hierarchical_memsw_limit), limit);
  return {
    memoryUsageBytes: usage,
    memoryWorkingSetBytes: workingSet,
    memoryAvailableBytes: difference(limit, workingSet),
    memoryRssBytes: stat.total_rss,
    memoryPageFaults: stat.total_pgfault,
    memoryMajorPageFaults: stat.total_pgmajfault,
    swapUsageBytes: swapUsage,
    swapAvailableBytes: difference(swapLimit, swapUsage),
  };
}

function limited(limit: bigint | undefined): bigint | undefined {
  return limit === undefined || limit >= UNLIMITED ? undefined : limit;
}
