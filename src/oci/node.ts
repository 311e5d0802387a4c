import type { Kernel } from "../sys/kernel.ts";
import { boundingCapabilities, minOomScoreAdj, rlimits } from "../sys/mod.ts";
import { findHierarchies, type Hierarchies } from "./cgroups/hierarchies.ts";
import type { NodeLimits } from "./types.ts";

/** What this node and the daemon's own rights allow containers to have. Asked once, at start. */
export function probeNode(kernel: Kernel): NodeLimits {
  const hierarchies = findHierarchies(kernel);
  return {
    capabilities: boundingCapabilities(kernel),
    minOomScoreAdj: minOomScoreAdj(kernel),
    rlimits: Object.fromEntries(
      Object.entries(rlimits(kernel)).map(([name, { soft, hard }]) => [name, { soft: safe(soft), hard: safe(hard) }]),
    ),
    controllers: hierarchies.controllers,
    cgroupVersion: hierarchies.version,
    seccomp: kernel.exists("/proc/sys/kernel/seccomp/actions_avail"),
    apparmor: isOn(kernel, "/sys/module/apparmor/parameters/enabled", "Y"),
    selinux: kernel.exists("/sys/fs/selinux/enforce"),
    swapAccounting: accountsSwap(kernel, hierarchies),
    kernelVersion: kernelVersion(kernel.readText("/proc/sys/kernel/osrelease")),
  };
}

/** "No limit" stays a number that JSON can carry. */
function safe(limit: bigint): number {
  return Number(limit > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : limit);
}

function isOn(kernel: Kernel, path: string, value: string): boolean {
  return kernel.exists(path) && kernel.readText(path).trim() === value;
}

function accountsSwap(kernel: Kernel, { version, mounts }: Hierarchies): boolean {
  if (version === 1) {
    return mounts.memory !== undefined && kernel.exists(`${mounts.memory}/memory.memsw.limit_in_bytes`);
  }
  // The root has no limits of its own, so a child tells; on a node that has just started none may have memory handed down.
  const children = kernel.readDirectory(mounts[""]).filter(({ type }) => type === "directory");
  const child = children.find(({ name }) => kernel.exists(`${mounts[""]}/${name}/memory.max`));
  if (child) return kernel.exists(`${mounts[""]}/${child.name}/memory.swap.max`);
  return kernel.exists("/proc/swaps") && !/(^|\s)swapaccount=0(\s|$)/.test(kernel.readText("/proc/cmdline"));
}

function kernelVersion(release: string): [number, number] {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(release) ?? [];
  return [Number(major ?? 0), Number(minor ?? 0)];
}
