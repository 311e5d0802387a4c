import {
  CAPABILITIES,
  RLIMIT_AS,
  RLIMIT_CORE,
  RLIMIT_CPU,
  RLIMIT_DATA,
  RLIMIT_FSIZE,
  RLIMIT_LOCKS,
  RLIMIT_MEMLOCK,
  RLIMIT_MSGQUEUE,
  RLIMIT_NICE,
  RLIMIT_NOFILE,
  RLIMIT_NPROC,
  RLIMIT_RSS,
  RLIMIT_RTPRIO,
  RLIMIT_RTTIME,
  RLIMIT_SIGPENDING,
  RLIMIT_STACK,
} from "./constants.ts";
import { ENOENT, ESRCH, isErrno } from "./errno.ts";
import type { Kernel } from "./kernel.ts";
import { kernel as thisKernel } from "./libc.ts";
import { poller } from "./poller.ts";

/** A process that cannot be mistaken for a later one with the same pid, as long as the boot is the same. */
export interface ProcessIdentity {
  pid: number;
  /** Field 22 of /proc/PID/stat: clock ticks since boot. A string, as it goes into the store and is only compared. */
  startTime: string;
}

interface ProcessStat {
  state: string;
  parent: number;
  group: number;
  startTime: string;
}

/** Undefined when there is no such process. */
function processStat(pid: number, kernel: Kernel): ProcessStat | undefined {
  let text: string;
  try {
    text = kernel.readText(`/proc/${pid}/stat`);
  } catch (error) {
    if (isErrno(error, ENOENT, ESRCH)) return undefined;
    throw error;
  }
  // Field 2 is the name in parentheses, which may itself hold parentheses and spaces: count from the last one.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { state: fields[0], parent: Number(fields[1]), group: Number(fields[2]), startTime: fields[19] };
}

/** Undefined when there is no such process, or only its corpse. */
export function processIdentity(pid: number, kernel: Kernel = thisKernel): ProcessIdentity | undefined {
  const stat = processStat(pid, kernel);
  return stat === undefined || stat.state === "Z" || stat.state === "X"
    ? undefined
    : { pid, startTime: stat.startTime };
}

/** False where there is no such process, or only its corpse, or where it was stopped: by SIGSTOP, or a debugger. */
export function canRun(pid: number, kernel: Kernel = thisKernel): boolean {
  const state = processStat(pid, kernel)?.state;
  return state !== undefined && !"ZXTt".includes(state);
}

/** The process group of `pid`: what a signal to everything that a program started goes to. */
export function processGroup(pid: number, kernel: Kernel = thisKernel): number | undefined {
  return processStat(pid, kernel)?.group;
}

/** A pidfd of exactly this process; the caller closes it. Undefined when it has ended. */
export function openProcess(identity: ProcessIdentity, kernel: Kernel = thisKernel): number | undefined {
  let pidfd: number;
  try {
    pidfd = kernel.pidfdOpen(identity.pid);
  } catch (error) {
    if (isErrno(error, ESRCH)) return undefined;
    throw error;
  }
  try {
    if (processIdentity(identity.pid, kernel)?.startTime === identity.startTime) {
      // The pidfd's process is still there after its pid was looked up, so what was read was its own.
      kernel.pidfdSendSignal(pidfd, 0);
      return pidfd;
    }
  } catch (error) {
    if (!isErrno(error, ESRCH)) {
      kernel.close(pidfd);
      throw error;
    }
  }
  kernel.close(pidfd);
  return undefined;
}

/** Whether this very process runs; a zombie does not. */
export function isAlive(identity: ProcessIdentity, kernel: Kernel = thisKernel): boolean {
  const pidfd = openProcess(identity, kernel);
  if (pidfd === undefined) return false;
  kernel.close(pidfd);
  return true;
}

/** Sends a signal to this very process. False when it has ended. */
export function signalProcess(identity: ProcessIdentity, signal: number, kernel: Kernel = thisKernel): boolean {
  const pidfd = openProcess(identity, kernel);
  if (pidfd === undefined) return false;
  try {
    kernel.pidfdSendSignal(pidfd, signal);
    return true;
  } catch (error) {
    if (isErrno(error, ESRCH)) return false;
    throw error;
  } finally {
    kernel.close(pidfd);
  }
}

/** Resolves when this process, which need not be our child, has ended. An aborted signal rejects with its reason. */
export async function processEnd(identity: ProcessIdentity, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  const pidfd = openProcess(identity);
  if (pidfd === undefined) return;
  const onAbort = () => poller.forget(pidfd);
  signal?.addEventListener("abort", onAbort);
  try {
    await poller.readable(pidfd);
    signal?.throwIfAborted();
  } finally {
    signal?.removeEventListener("abort", onAbort);
    poller.forget(pidfd);
    thisKernel.close(pidfd);
  }
}

/** Changes with every boot of the machine. */
export function bootId(kernel: Kernel = thisKernel): string {
  return kernel.readText("/proc/sys/kernel/random/boot_id").trim();
}

function capabilitySet(field: "CapBnd" | "CapEff", kernel: Kernel): string[] {
  const line = new RegExp(`^${field}:\\s*([0-9a-f]+)$`, "m").exec(kernel.readText("/proc/self/status"));
  if (line === null) throw new Error(`Cannot read ${field} from /proc/self/status: the line is missing`);
  const bits = BigInt(`0x${line[1]}`);
  return CAPABILITIES.filter((_, bit) => (bits >> BigInt(bit)) & 1n);
}

/** Names of the capabilities that a program we start can have at all. */
export function boundingCapabilities(kernel: Kernel = thisKernel): string[] {
  return capabilitySet("CapBnd", kernel);
}

/** The lowest oom_score_adj that we may give to a process: our own, unless we hold CAP_SYS_RESOURCE. */
export function minOomScoreAdj(kernel: Kernel = thisKernel): number {
  if (capabilitySet("CapEff", kernel).includes("CAP_SYS_RESOURCE")) return -1000;
  return Number(kernel.readText("/proc/self/oom_score_adj").trim());
}

const RLIMITS = {
  RLIMIT_AS,
  RLIMIT_CORE,
  RLIMIT_CPU,
  RLIMIT_DATA,
  RLIMIT_FSIZE,
  RLIMIT_LOCKS,
  RLIMIT_MEMLOCK,
  RLIMIT_MSGQUEUE,
  RLIMIT_NICE,
  RLIMIT_NOFILE,
  RLIMIT_NPROC,
  RLIMIT_RSS,
  RLIMIT_RTPRIO,
  RLIMIT_RTTIME,
  RLIMIT_SIGPENDING,
  RLIMIT_STACK,
} as const;

/** Our own limits by name, `RLIM_INFINITY` for none. A program without CAP_SYS_RESOURCE cannot exceed `hard`. */
export function rlimits(kernel: Kernel = thisKernel): Record<keyof typeof RLIMITS, { soft: bigint; hard: bigint }> {
  const entries = Object.entries(RLIMITS).map(([name, resource]) => [name, kernel.getrlimit(resource)]);
  return Object.fromEntries(entries);
}

/** The cgroups of this process: the path in the unified hierarchy, and those of v1 by controller (or `name=…`). */
export function selfCgroup(kernel: Kernel = thisKernel): { unified?: string; controllers: Record<string, string> } {
  const found: { unified?: string; controllers: Record<string, string> } = { controllers: {} };
  for (const line of kernel.readText("/proc/self/cgroup").split("\n")) {
    const match = /^(\d+):([^:]*):(.*)$/.exec(line);
    if (match === null) continue;
    const [, , controllers, path] = match;
    if (controllers === "") found.unified = path;
    else for (const controller of controllers.split(",")) found.controllers[controller] = path;
  }
  return found;
}
