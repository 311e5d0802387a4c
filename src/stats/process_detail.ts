import type { CgroupPlacement } from "../oci/types.ts";
import { EACCES, EFBIG, ENODEV, ENOENT, ESRCH, isErrno, type Kernel } from "../sys/mod.ts";
import { parseNumber } from "./files.ts";

export interface ProcessDetail {
  processes?: bigint;
  fileDescriptors?: bigint;
  sockets?: bigint;
  /** Soft limit of open files of the first process; undefined where there is none. */
  maxOpenFiles?: bigint;
}

/** Descriptors are looked at one by one: of a container that has more than this, it is not told how many. */
const MOST_PROCESSES = 64;
const MOST_DESCRIPTORS = 1_000;

/** Of the processes in this very cgroup; `first` is the container's first one. */
export function readProcesses(kernel: Kernel, { paths }: CgroupPlacement, first: number): ProcessDetail {
  const path = paths[""] ?? paths.pids ?? paths.memory;
  const text = unlessGone(() => path === undefined ? undefined : kernel.readText(`${path}/cgroup.procs`));
  if (text === undefined) return {};
  const pids = text.split("\n").filter((line) => line !== "");
  return {
    processes: BigInt(pids.length),
    ...countDescriptors(kernel, pids),
    maxOpenFiles: maxOpenFiles(kernel, first),
  };
}

function countDescriptors(kernel: Kernel, pids: string[]): Pick<ProcessDetail, "fileDescriptors" | "sockets"> {
  if (pids.length > MOST_PROCESSES) return {};
  let [count, sockets] = [0, 0];
  for (const pid of pids) {
    const folder = `/proc/${pid}/fd`;
    const names = unlessGone(() => kernel.readDirectory(folder, MOST_DESCRIPTORS - count), "too many");
    if (names === "too many") return {};
    for (const { name } of names ?? []) {
      count++;
      if (unlessGone(() => kernel.readlink(`${folder}/${name}`))?.startsWith("socket:")) sockets++;
    }
  }
  return { fileDescriptors: BigInt(count), sockets: BigInt(sockets) };
}

function maxOpenFiles(kernel: Kernel, pid: number): bigint | undefined {
  const limits = unlessGone(() => kernel.readText(`/proc/${pid}/limits`));
  return parseNumber(/^Max open files +(\S+)/m.exec(limits ?? "")?.[1] ?? "");
}

/** A process may go at any moment. `ifTooMuch` is for what is longer than we read. */
function unlessGone<T, Else = undefined>(read: () => T, ifTooMuch?: Else): T | Else | undefined {
  try {
    return read();
  } catch (error) {
    if (isErrno(error, EFBIG)) return ifTooMuch;
    if (isErrno(error, ENOENT, ENODEV, ESRCH, EACCES)) return undefined;
    throw error;
  }
}
