/** Figures of a cgroup as its files say them, whichever version the machine has. */
import { hierarchies } from "./cgroups.ts";

export const onV2 = hierarchies()[0] === "/sys/fs/cgroup";

function text(path: string, controller: string, v1: string, v2: string): string {
  return Deno.readTextFileSync(onV2 ? `/sys/fs/cgroup${path}/${v2}` : `/sys/fs/cgroup/${controller}${path}/${v1}`);
}

function keyed(content: string, key: string): number {
  const line = content.split("\n").find((one) => one.startsWith(`${key} `));
  if (line === undefined) throw new Error(`no ${key} in ${content}`);
  return Number(line.slice(key.length + 1));
}

/** Of the cgroup at `path`, below the mount point of each hierarchy. */
export function figures(path: string) {
  const memoryStat = text(path, "memory", "memory.stat", "memory.stat");
  const usage = Number(text(path, "memory", "memory.usage_in_bytes", "memory.current"));
  return {
    cpuNanoseconds: onV2
      ? keyed(text(path, "", "", "cpu.stat"), "usage_usec") * 1000
      : Number(text(path, "cpuacct", "cpuacct.usage", "")),
    usage,
    workingSet: usage - keyed(memoryStat, onV2 ? "inactive_file" : "total_inactive_file"),
    rss: keyed(memoryStat, onV2 ? "anon" : "total_rss"),
    pageFaults: keyed(memoryStat, onV2 ? "pgfault" : "total_pgfault"),
    majorPageFaults: keyed(memoryStat, onV2 ? "pgmajfault" : "total_pgmajfault"),
    threads: Number(text(path, "pids", "pids.current", "pids.current")),
    processes: text(path, "pids", "cgroup.procs", "cgroup.procs").split("\n").filter((line) => line !== "").length,
  };
}
