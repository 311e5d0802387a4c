import type { Kernel } from "../../sys/kernel.ts";
import { EBUSY, EEXIST, ENOENT, ENOTEMPTY, Errno, SIGKILL } from "../../sys/mod.ts";
import { unlessGone } from "../unless_gone.ts";

/** A process that was killed leaves its cgroup only when it has been torn down: big ones need a while. */
const REMOVAL_ATTEMPTS = 60;
const REMOVAL_PAUSE = 5;
const REMOVAL_PAUSE_MAX = 100;

/** A cgroup may nest containers of its own, but not without end. */
const DEPTH_MAX = 32;

/** Makes what is missing of `path` below `mount`, and calls `each` for every folder on the way, `path` itself last. */
export function makeFolders(
  kernel: Kernel,
  mount: string,
  path: string,
  each: (folder: string) => void,
): void {
  let folder = mount;
  for (const part of path.slice(mount.length).split("/").filter((piece) => piece !== "")) {
    folder += `/${part}`;
    makeFolder(kernel, folder);
    each(folder);
  }
}

function makeFolder(kernel: Kernel, folder: string): void {
  try {
    kernel.mkdir(folder, 0o755);
  } catch (error) {
    if (!(error instanceof Errno && error.code === EEXIST)) throw error;
  }
}

/** The cgroup and all below it, parents first; empty if it is not there. */
export function cgroupTree(kernel: Kernel, folder: string, depth = 0): string[] {
  if (depth > DEPTH_MAX) throw new Error(`cgroup ${folder}: nested more than ${DEPTH_MAX} deep`);
  const children = unlessGone(() => kernel.readDirectory(folder));
  if (!children) return [];
  return [
    folder,
    ...children.filter(({ type }) => type === "directory").flatMap(({ name }) =>
      cgroupTree(kernel, `${folder}/${name}`, depth + 1)
    ),
  ];
}

export function processesOf(kernel: Kernel, folder: string): number[] {
  const text = unlessGone(() => kernel.readText(`${folder}/cgroup.procs`)) ?? "";
  return text.split("\n").filter((line) => line !== "").map(Number);
}

/** Kills what is inside and removes the cgroup with all below it. Not there is fine; still busy after some seconds is an error. */
export async function removeFolder(kernel: Kernel, folder: string): Promise<void> {
  let pause = REMOVAL_PAUSE;
  for (let attempt = 1;; attempt++) {
    const tree = cgroupTree(kernel, folder);
    if (tree.length === 0) return;
    const failure = removeTree(kernel, tree);
    if (!failure) return;
    if (attempt === REMOVAL_ATTEMPTS) throw failure;
    killAll(kernel, tree);
    await new Promise((resolve) => setTimeout(resolve, pause));
    pause = Math.min(pause * 2, REMOVAL_PAUSE_MAX);
  }
}

export function removeFolderIfEmpty(kernel: Kernel, folder: string): void {
  try {
    kernel.rmdir(folder);
  } catch (error) {
    if (!(error instanceof Errno && [EBUSY, ENOENT, ENOTEMPTY].includes(error.code))) throw error;
  }
}

/** Children before parents. Undefined: all are gone. */
function removeTree(kernel: Kernel, tree: string[]): Errno | undefined {
  for (const folder of tree.toReversed()) {
    try {
      kernel.rmdir(folder);
    } catch (error) {
      if (!(error instanceof Errno)) throw error;
      if (error.code === ENOENT) continue;
      if (error.code === EBUSY || error.code === ENOTEMPTY) return error;
      throw error;
    }
  }
  return undefined;
}

function killAll(kernel: Kernel, tree: string[]): void {
  // v2 kills the whole subtree at once, which a fork bomb cannot outrun.
  if (unlessGone(() => (kernel.writeControl(`${tree[0]}/cgroup.kill`, "1"), true))) return;
  for (const folder of tree) {
    for (const pid of processesOf(kernel, folder)) {
      // A pid of 0 is a process that this pid namespace cannot see.
      if (pid > 0) unlessGone(() => kernel.kill(pid, SIGKILL));
    }
  }
}
