import type { Kernel } from "../sys/kernel.ts";
import { ENOENT, Errno, ESRCH, SIGKILL, SIGSTOP } from "../sys/mod.ts";

/** More would be a fork bomb, which only its cgroup can end. */
const PROCESSES_MAX = 10_000;

/**
 * Kills a process and all that descends from it, also what has left its group or session. Gone already is fine. Each is
 * stopped before its children are looked for: it cannot start another one behind our back.
 */
export function killTree(kernel: Kernel, root: number): void {
  const found = [root];
  for (let index = 0; index < found.length && found.length < PROCESSES_MAX; index++) {
    const pid = found[index];
    ifThere(() => kernel.kill(pid, SIGSTOP));
    found.push(...ifThere(() => childrenOf(kernel, pid)) ?? []);
  }
  for (const pid of found) ifThere(() => kernel.kill(pid, SIGKILL));
}

/** Kills a process group; gone already is fine. */
export function killGroup(kernel: Kernel, group: number): void {
  ifThere(() => kernel.kill(-group, SIGKILL));
}

function childrenOf(kernel: Kernel, pid: number): number[] {
  return kernel.readDirectory(`/proc/${pid}/task`).flatMap(({ name }) => {
    const text = ifThere(() => kernel.readText(`/proc/${pid}/task/${name}/children`)) ?? "";
    return text.split(" ").filter((word) => word !== "").map(Number);
  });
}

function ifThere<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if (error instanceof Errno && (error.code === ESRCH || error.code === ENOENT)) return undefined;
    throw error;
  }
}
