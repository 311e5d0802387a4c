import { PAUSE_AARCH64, PAUSE_X86_64 } from "./pause_elf.ts";

/** The pause program as a static executable for this machine's architecture, to be written to a file with mode 0755. */
export function pauseProgram(architecture: "x86_64" | "aarch64" = Deno.build.arch): Uint8Array {
  const encoded = architecture === "x86_64" ? PAUSE_X86_64 : PAUSE_AARCH64;
  if (encoded === undefined) {
    throw new Error(
      `Cannot start a pause process: this build has none for ${architecture}. Run scripts/static-programs with a compiler for it and build again`,
    );
  }
  return Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
}
