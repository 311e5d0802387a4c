import { failure } from "./errno.ts";
import { errno, libc, SYS } from "./libc_symbols.ts";

/** A copy of another process's descriptor, close-on-exec; the caller closes it. The process must be one that we may trace. */
export function pidfdGetfd(pidfd: number, fd: number): number {
  const copy = Number(libc().pidfd_getfd(BigInt(SYS.pidfd_getfd), pidfd, fd, 0));
  if (copy < 0) throw failure(errno(), "pidfd_getfd", `descriptor ${fd} of the process behind ${pidfd}`);
  return copy;
}
