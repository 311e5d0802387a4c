import { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } from "./constants.ts";
import type { Kernel } from "./kernel.ts";
import { libc } from "./libc_symbols.ts";

const F_SETLEASE = 1024;
const F_RDLCK = 0n;
const F_UNLCK = 2n;

/**
 * True when nobody has the regular file at `path` open for writing: only then does the kernel give a lease for reading, see
 * fcntl(2). False, too, where the file system knows no leases.
 */
export function hasNoWriter(kernel: Kernel, path: string): boolean {
  const fd = kernel.open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    if (libc().fcntl(fd, F_SETLEASE, F_RDLCK) < 0) return false;
    libc().fcntl(fd, F_SETLEASE, F_UNLCK);
    return true;
  } finally {
    kernel.close(fd);
  }
}
