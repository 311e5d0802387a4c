import { ATTEND_AARCH64, ATTEND_X86_64 } from "./attend_elf.ts";

/**
 * The program that waits for a command which an OCI runtime starts and leaves, as a static executable to be written to a
 * file: see attend.c. Undefined where this build has none for the architecture.
 */
export function attendProgram(architecture: "x86_64" | "aarch64" = Deno.build.arch): Uint8Array | undefined {
  const encoded = architecture === "x86_64" ? ATTEND_X86_64 : ATTEND_AARCH64;
  return encoded === undefined ? undefined : Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
}

/** Its exit code when it is started without arguments. */
export const ATTEND_MISUSED = 125;
