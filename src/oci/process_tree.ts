import type { Kernel } from "../sys/kernel.ts";
import { SIGKILL, SIGSTOP } from "../sys/mod.ts";
import { unlessGone } from "./unless_gone.ts";

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
    unlessGone(() => kernel.kill(pid, SIGSTOP));
    found.push(...unlessGone(() => childrenOf(kernel, pid)) ?? []);
  }
  for (const pid of found) unlessGone(() => kernel.kill(pid, SIGKILL));
}

/** Kills a process group; gone already is fine. */
export function killGroup(kernel: Kernel, group: number): void {
  unlessGone(() => kernel.kill(-group, SIGKILL));
}

/** Processes that any thread of `pid` has started. */
export function childrenOf(kernel: Kernel, pid: number): number[] {
  return kernel.readDirectory(`/proc/${pid}/task`).flatMap(({ name }) => {
    const text = unlessGone(() => kernel.readText(`/proc/${pid}/task/${name}/children`)) ?? "";
    return text.split(" ").filter((word) => word !== "").map(Number);
  });
}
