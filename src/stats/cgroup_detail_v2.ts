import type { Kernel } from "../sys/mod.ts";
import type { CgroupDetail, DeviceUsage } from "./cgroup_detail.ts";
import { readPsi } from "./cgroup_v2.ts";
import { difference, parseFlatKeyed, parseNumber, readIfThere, readNumber } from "./files.ts";

const nanoseconds = (microseconds: bigint | undefined) => microseconds === undefined ? undefined : microseconds * 1000n;

/** Reads a cgroup of the unified hierarchy, whose figures all include what is below it. */
export function detailV2(kernel: Kernel, path: string, pageSizes: string[]): CgroupDetail {
  const number = (file: string) => readNumber(kernel, `${path}/${file}`);
  const keyed = <Key extends string>(file: string, ...keys: Key[]) =>
    parseFlatKeyed(readIfThere(kernel, `${path}/${file}`), ...keys);

  const cpu = keyed(
    "cpu.stat",
    "usage_usec",
    "user_usec",
    "system_usec",
    "nr_periods",
    "nr_throttled",
    "throttled_usec",
  );
  const stat = keyed("memory.stat", "file", "anon", "file_mapped", "inactive_file", "kernel", "pgfault", "pgmajfault");
  const events = keyed("memory.events", "max", "oom_kill");
  const usage = number("memory.current");
  const threadsMax = readIfThere(kernel, `${path}/pids.max`)?.trim();
  return {
    cpu: {
      usage: nanoseconds(cpu.usage_usec),
      user: nanoseconds(cpu.user_usec),
      system: nanoseconds(cpu.system_usec),
      periods: cpu.nr_periods,
      throttledPeriods: cpu.nr_throttled,
      throttled: nanoseconds(cpu.throttled_usec),
    },
    memory: {
      cache: stat.file,
      rss: stat.anon,
      swap: number("memory.swap.current"),
      usage,
      workingSet: difference(usage, stat.inactive_file),
      maxUsage: number("memory.peak"),
      failcnt: events.max,
      kernel: stat.kernel,
      mappedFile: stat.file_mapped,
      oomKills: events.oom_kill,
    },
    pageFaults: (["container", "hierarchy"] as const).flatMap((scope) => [
      { type: "pgfault" as const, scope, count: stat.pgfault },
      { type: "pgmajfault" as const, scope, count: stat.pgmajfault },
    ]),
    devices: parseIoStat(readIfThere(kernel, `${path}/io.stat`)),
    hugetlb: pageSizes.map((pageSize) => ({ pageSize, usage: number(`hugetlb.${pageSize}.current`) })),
    threads: number("pids.current"),
    threadsMax: threadsMax === "max" ? 0n : threadsMax === undefined ? undefined : parseNumber(threadsMax),
    psi: readPsi(kernel, path),
  };
}

/** Lines of `MAJOR:MINOR KEY=NUMBER …`. */
export function parseIoStat(text: string | undefined): DeviceUsage[] {
  const devices: DeviceUsage[] = [];
  for (const [, major, minor, rest] of (text ?? "").matchAll(/^(\d+):(\d+) (.*)$/gm)) {
    const fields = new Map(rest.split(" ").map((field) => field.split("=") as [string, string]));
    const number = (key: string) => parseNumber(fields.get(key) ?? "") ?? 0n;
    const [reads, writes, readBytes, writeBytes] = ["rios", "wios", "rbytes", "wbytes"].map(number);
    devices.push({ major, minor, reads, writes, readBytes, writeBytes });
  }
  return devices;
}
