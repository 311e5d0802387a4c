import type { Kernel } from "../../sys/kernel.ts";
import { ENOENT, Errno, O_PATH } from "../../sys/mod.ts";
import { invalid, quote } from "../refusal.ts";

/** Path of the node with every symlink resolved, or undefined if it is not there. */
export function resolveHostPath(kernel: Kernel, field: string, path: string): string | undefined {
  try {
    const fd = kernel.open(path, O_PATH);
    try {
      return kernel.readlink(`/proc/self/fd/${fd}`);
    } finally {
      kernel.close(fd);
    }
  } catch (error) {
    if (error instanceof Errno && error.code === ENOENT) return undefined;
    throw invalid(field, `${quote(path)} cannot be used`, error);
  }
}
