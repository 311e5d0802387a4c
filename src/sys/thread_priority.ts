import { failure } from "./errno.ts";
import { addressable, errno, libc } from "./libc_symbols.ts";
import { setPriority } from "./process_calls.ts";

const SCHED_OTHER = 0;
const SCHED_RESET_ON_FORK = 0x40000000;

/**
 * Gives the calling thread, and it alone, a negative nice value: threads and programs that it starts begin at 0 again.
 * Needs CAP_SYS_NICE: Errno EACCES or EPERM else.
 */
export function favourThisThread(nice: number): void {
  // First the reset: a program that starts in between must not inherit the value.
  if (libc().sched_setscheduler(0, SCHED_OTHER | SCHED_RESET_ON_FORK, addressable(4)) < 0) {
    throw failure(errno(), "sched_setscheduler", "SCHED_OTHER with SCHED_RESET_ON_FORK");
  }
  setPriority(0, nice);
}
