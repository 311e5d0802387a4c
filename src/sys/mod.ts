/** The door of `sys`: the only folder that calls libc or starts a program. */
export type { Kernel, Stat, StatFs } from "./kernel.ts";
export { Errno } from "./kernel.ts";
export type { AsyncFd, Child, Programs, RunOptions, RunResult, SpawnOptions } from "./programs.ts";
export * from "./constants.ts";
export * from "./errno.ts";
export { kernel, LibcKernel } from "./libc.ts";
export { programs } from "./run.ts";
export { asyncFd } from "./async_fd.ts";
export { openPty, pipe, resizePty } from "./pipes.ts";
