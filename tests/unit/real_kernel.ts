/** `src/sys` for tests that use the real kernel: libc is loaded here, as Deno counts a load within a test as its leak. */
import { kernel } from "../../src/sys/mod.ts";

export * from "../../src/sys/mod.ts";

kernel.getpid();
