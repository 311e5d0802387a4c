import { libc } from "./libc_symbols.ts";

/**
 * Gives memory that is free but kept back to the system: a full garbage collection, where the build exposes it
 * (`--expose-gc`), then malloc_trim(3). Takes some milliseconds, so it is for a moment when nothing happens.
 */
export function releaseMemory(): void {
  (globalThis as { gc?: () => void }).gc?.();
  libc().malloc_trim?.(0n);
}

const M_ARENA_MAX = -8;

/**
 * At most two heaps for all threads, for glibc's malloc: else each thread of a pool keeps free memory of its own. Once, at
 * the start.
 */
export function limitHeaps(): void {
  libc().mallopt?.(M_ARENA_MAX, 2);
}
