import { O_CREAT, O_RDWR } from "./constants.ts";
import { EAGAIN, failure } from "./errno.ts";
import type { Kernel } from "./kernel.ts";
import { errno, libc } from "./libc_symbols.ts";

const LOCK_EX = 2;
const LOCK_NB = 4;

/**
 * Takes an exclusive flock(2) on a file, making it when it is not there. The kernel lets go of it when the process ends,
 * however it ends; disposing lets go before that. Undefined when somebody else holds it.
 */
export function lockFile(kernel: Kernel, path: string): Disposable | undefined {
  const fd = kernel.open(path, O_CREAT | O_RDWR, 0o600);
  if (libc().flock(fd, LOCK_EX | LOCK_NB) === 0) return { [Symbol.dispose]: () => kernel.close(fd) };
  const code = errno();
  kernel.close(fd);
  if (code === EAGAIN) return undefined;
  throw failure(code, "flock", path);
}
