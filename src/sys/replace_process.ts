import { addressableCString } from "./libc_symbols.ts";
import { StringVector } from "./string_vector.ts";

// Not those of libc_symbols.ts: the process is about to go, and loading them all takes longer than all the rest of this.
const SYMBOLS = {
  setenv: { parameters: ["buffer", "buffer", "i32"], result: "i32" },
  execv: { parameters: ["buffer", "buffer"], result: "i32" },
} as const;

/**
 * Starts this executable anew in its own place (execv(3)): with the same arguments, pid, working folder and standard
 * descriptors, and with `name` set to `value` in its environment. Comes back only by an error.
 */
export function replaceProcess(name: string, value: string): never {
  const { symbols } = Deno.dlopen("libc.so.6", SYMBOLS);
  const program = Deno.execPath();
  const argv = new StringVector([program, ...Deno.args]);
  symbols.setenv(addressableCString(name), addressableCString(value), 1);
  symbols.execv(addressableCString(program), argv.pointers);
  throw new Error(
    `${program} cannot start itself again with ${name}=${value}; set it in the environment of skiff serve`,
  );
}
