import type { Kernel } from "../sys/mod.ts";
import { difference, parseFlatKeyed, readIfThere, readNumber } from "./files.ts";
import { parsePsi } from "./psi.ts";
import type { CgroupUsage, Psi } from "./types.ts";

/** Reads a cgroup of the unified hierarchy. */
export function readCgroupV2(kernel: Kernel, path: string): Omit<CgroupUsage, "timestamp"> {
  const cpu = parseFlatKeyed(readIfThere(kernel, `${path}/cpu.stat`), "usage_usec");
  return {
    cpuUsageNanoseconds: cpu.usage_usec === undefined ? undefined : cpu.usage_usec * 1000n,
    ...readMemory(kernel, path),
    pids: readNumber(kernel, `${path}/pids.current`),
    psi: readPsi(kernel, path),
  };
}

function readMemory(kernel: Kernel, path: string): Partial<CgroupUsage> {
  const usage = readNumber(kernel, `${path}/memory.current`);
  const stat = parseFlatKeyed(
    readIfThere(kernel, `${path}/memory.stat`),
    "inactive_file",
    "anon",
    "pgfault",
    "pgmajfault",
  );
  const workingSet = difference(usage, stat.inactive_file);
  const swapUsage = readNumber(kernel, `${path}/memory.swap.current`);
  return {
    memoryUsageBytes: usage,
    memoryWorkingSetBytes: workingSet,
    memoryAvailableBytes: difference(readNumber(kernel, `${path}/memory.max`), workingSet),
    memoryRssBytes: stat.anon,
    memoryPageFaults: stat.pgfault,
    memoryMajorPageFaults: stat.pgmajfault,
    swapUsageBytes: swapUsage,
    swapAvailableBytes: difference(readNumber(kernel, `${path}/memory.swap.max`), swapUsage),
  };
}

/** What waited in a cgroup, and for how long; undefined where the kernel does not count it. */
export function readPsi(kernel: Kernel, path: string): CgroupUsage["psi"] {
  const read = (resource: string): Psi | undefined => {
    const text = readIfThere(kernel, `${path}/${resource}.pressure`);
    return text === undefined ? undefined : parsePsi(text);
  };
  const [cpu, memory, io] = [read("cpu"), read("memory"), read("io")];
  return cpu === undefined && memory === undefined && io === undefined ? undefined : { cpu, memory, io };
}
