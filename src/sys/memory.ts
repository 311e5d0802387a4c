import { libc } from "./libc_symbols.ts";

/**
 * Gives memory that is free but kept back to the system: a full garbage collection, where the build exposes it
 * (`--expose-gc`), then malloc_trim(3). Takes some milliseconds, so it is for a moment when nothing happens.
 */
export function releaseMemory(): void {
  (globalThis as { gc?: () => void }).gc?.();
  libc().malloc_trim?.(0n);
}
