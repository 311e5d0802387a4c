import { failure } from "./errno.ts";
import { errno, libc, SYS } from "./libc_symbols.ts";

// struct sched_attr of sched_setattr(2), in its first version.
const SIZE = 48;
const SCHED_OTHER = 0;
const SCHED_FLAG_RESET_ON_FORK = 1n;

/**
 * Nanoseconds: the shortest time slice there is, and one that is longer than what is usual (0.7 to 2.8 ms). Whoever wakes up
 * interrupts a thread with a longer slice than its own, and waits for the end of an equal one.
 */
const SHORTEST = 100_000n;
const LONG = 4_000_000n;

/**
 * The sched_attr of a thread with this nice value and, from Linux 6.12, the shortest time slice: threads and programs that
 * it starts begin at 0 again.
 */
export function favourable(nice: number): Uint8Array<ArrayBuffer> {
  return schedAttr(SCHED_FLAG_RESET_ON_FORK, nice, SHORTEST);
}

function schedAttr(flags: bigint, nice: number, slice: bigint): Uint8Array<ArrayBuffer> {
  const attributes = new Uint8Array(SIZE);
  const view = new DataView(attributes.buffer);
  view.setUint32(0, SIZE, true);
  view.setUint32(4, SCHED_OTHER, true);
  view.setBigUint64(8, flags, true);
  view.setInt32(16, nice, true);
  view.setBigUint64(24, slice, true);
  return attributes;
}

/** Makes the calling thread, and it alone, {@link favourable}. Needs CAP_SYS_NICE: Errno EACCES or EPERM else. */
export function favourThisThread(nice: number): void {
  setAttributes(0, favourable(nice), `nice ${nice}`);
}

/** See {@link Kernel.makePatient}. */
export function makePatient(pid: number, nice: number): void {
  setAttributes(pid, schedAttr(0n, nice, LONG), `process ${pid} to nice ${nice}`);
}

function setAttributes(thread: number, attributes: Uint8Array<ArrayBuffer>, what: string): void {
  if (libc().sched_setattr(BigInt(SYS.sched_setattr), thread, attributes, 0) < 0) {
    throw failure(errno(), "sched_setattr", what);
  }
}
