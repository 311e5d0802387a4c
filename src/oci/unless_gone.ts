import { ENODEV, ENOENT, Errno, ESRCH } from "../sys/mod.ts";

/** Undefined if what was asked for is not there (any more): a process, its cgroup and their files may go at any moment. */
export function unlessGone<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if (error instanceof Errno && [ENOENT, ENODEV, ESRCH].includes(error.code)) return undefined;
    throw error;
  }
}
