import { failure } from "./errno.ts";
import type { Kernel } from "./kernel.ts";
import { addressableCString, errno, libc } from "./libc_symbols.ts";
import { StringVector } from "./string_vector.ts";

/**
 * Starts this executable anew in its own place, by execve(2): with the same arguments, pid, working folder and standard
 * descriptors, and with `added` in its environment. Comes back only by an error: Errno.
 */
export function replaceProcess(kernel: Kernel, added: Record<string, string>): never {
  const listed = (name: string) => kernel.readText(`/proc/self/${name}`).split("\0").slice(0, -1);
  const path = addressableCString(Deno.execPath());
  const argv = new StringVector(listed("cmdline"));
  const envp = new StringVector([
    ...listed("environ"),
    ...Object.entries(added).map(([name, value]) => `${name}=${value}`),
  ]);
  libc().execve(path, argv.pointers, envp.pointers);
  throw failure(errno(), "execve", Deno.execPath());
}
