import type { Kernel } from "../sys/mod.ts";
import type { CgroupDetail, DeviceUsage } from "./cgroup_detail.ts";
import { difference, parseFlatKeyed, parseNumber, readIfThere, readNumber } from "./files.ts";

/** Reads a cgroup of the v1 hierarchies; `paths` by controller. */
export function detailV1(kernel: Kernel, paths: Record<string, string>, pageSizes: string[]): CgroupDetail {
  const number = (controller: string, file: string) =>
    paths[controller] === undefined ? undefined : readNumber(kernel, `${paths[controller]}/${file}`);
  const keyed = <Key extends string>(controller: string, file: string, ...keys: Key[]) =>
    paths[controller] === undefined
      ? {} as Partial<Record<Key, bigint>>
      : parseFlatKeyed(readIfThere(kernel, `${paths[controller]}/${file}`), ...keys);

  const cpu = keyed("cpu", "cpu.stat", "nr_periods", "nr_throttled", "throttled_time");
  const stat = keyed(
    "memory",
    "memory.stat",
    "pgfault",
    "pgmajfault",
    "total_cache",
    "total_rss",
    "total_swap",
    "total_mapped_file",
    "total_pgfault",
    "total_pgmajfault",
    "total_inactive_file",
  );
  const usage = number("memory", "memory.usage_in_bytes");
  const threadsMax = paths.pids === undefined ? undefined : readIfThere(kernel, `${paths.pids}/pids.max`)?.trim();
  return {
    cpu: {
      usage: number("cpuacct", "cpuacct.usage"),
      user: number("cpuacct", "cpuacct.usage_user"),
      system: number("cpuacct", "cpuacct.usage_sys"),
      periods: cpu.nr_periods,
      throttledPeriods: cpu.nr_throttled,
      throttled: cpu.throttled_time,
    },
    memory: {
      cache: stat.total_cache,
      rss: stat.total_rss,
      swap: stat.total_swap,
      usage,
      workingSet: difference(usage, stat.total_inactive_file),
      maxUsage: number("memory", "memory.max_usage_in_bytes"),
      failcnt: number("memory", "memory.failcnt"),
      kernel: number("memory", "memory.kmem.usage_in_bytes"),
      mappedFile: stat.total_mapped_file,
      oomKills: keyed("memory", "memory.oom_control", "oom_kill").oom_kill,
    },
    pageFaults: [
      { type: "pgfault", scope: "container", count: stat.pgfault },
      { type: "pgmajfault", scope: "container", count: stat.pgmajfault },
      { type: "pgfault", scope: "hierarchy", count: stat.total_pgfault },
      { type: "pgmajfault", scope: "hierarchy", count: stat.total_pgmajfault },
    ],
    devices: paths.blkio === undefined ? [] : parseBlkio(
      readIfThere(kernel, `${paths.blkio}/blkio.throttle.io_serviced_recursive`),
      readIfThere(kernel, `${paths.blkio}/blkio.throttle.io_service_bytes_recursive`),
    ),
    hugetlb: paths.hugetlb === undefined ? [] : pageSizes.map((pageSize) => ({
      pageSize,
      usage: number("hugetlb", `hugetlb.${pageSize}.usage_in_bytes`),
      maxUsage: number("hugetlb", `hugetlb.${pageSize}.max_usage_in_bytes`),
    })),
    threads: number("pids", "pids.current"),
    threadsMax: threadsMax === "max" ? 0n : threadsMax === undefined ? undefined : parseNumber(threadsMax),
  };
}

/** Lines of `MAJOR:MINOR OPERATION NUMBER`, and a total at the end. */
export function parseBlkio(operations: string | undefined, bytes: string | undefined): DeviceUsage[] {
  const devices = new Map<string, DeviceUsage>();
  const collect = (text: string | undefined, read: "reads" | "readBytes", write: "writes" | "writeBytes") => {
    for (const [, major, minor, operation, number] of (text ?? "").matchAll(/^(\d+):(\d+) (Read|Write) (\d+)$/gm)) {
      const key = `${major}:${minor}`;
      let device = devices.get(key);
      if (!device) {
        devices.set(key, device = { major, minor, reads: 0n, writes: 0n, readBytes: 0n, writeBytes: 0n });
      }
      device[operation === "Read" ? read : write] = BigInt(number);
    }
  };
  collect(operations, "reads", "writes");
  collect(bytes, "readBytes", "writeBytes");
  return [...devices.values()];
}
