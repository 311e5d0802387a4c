import type { Kernel } from "../sys/kernel.ts";
import { ENOENT, Errno, ESRCH, SIGKILL } from "../sys/mod.ts";

/** More would be a fork bomb, which only its cgroup can end. */
const PROCESSES_MAX = 10_000;

/** Kills a process and all that descends from it, also what has left its group or session. Gone already is fine. */
export function killTree(kernel: Kernel, pid: number): void {
  for (const victim of [pid, ...descendants(kernel, pid)]) ifThere(() => kernel.kill(victim, SIGKILL));
}

/** Kills a process group; gone already is fine. */
export function killGroup(kernel: Kernel, group: number): void {
  ifThere(() => kernel.kill(-group, SIGKILL));
}

function descendants(kernel: Kernel, root: number): number[] {
  const found: number[] = [];
  const queue = [root];
  for (let pid = queue.pop(); pid !== undefined && found.length < PROCESSES_MAX; pid = queue.pop()) {
    const children = ifThere(() => childrenOf(kernel, pid!)) ?? [];
    found.push(...children);
    queue.push(...children);
  }
  return found;
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
