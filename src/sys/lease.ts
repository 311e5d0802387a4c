import { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } from "./constants.ts";
import type { Kernel } from "./kernel.ts";
import { libc } from "./libc_symbols.ts";

const F_SETLEASE = 1024;
const F_RDLCK = 0n;
const F_WRLCK = 1n;
const F_UNLCK = 2n;

/**
 * True when nobody has the regular file at `path` open for writing: only then does the kernel give a lease for reading, see
 * fcntl(2). False, too, where the file system knows no leases.
 */
export function hasNoWriter(kernel: Kernel, path: string): boolean {
  return withOpen(kernel, path, (fd) => takes(fd, F_RDLCK));
}

/**
 * True when somebody has the regular file at `path` open, a mount of it or a loop device included: then the kernel gives no
 * lease for writing. False where nobody writes to it, either, and the file system knows no leases.
 */
export function isOpenElsewhere(kernel: Kernel, path: string): boolean {
  return withOpen(kernel, path, (fd) => takes(fd, F_RDLCK) && !takes(fd, F_WRLCK));
}

function takes(fd: number, lease: bigint): boolean {
  if (libc().fcntl(fd, F_SETLEASE, lease) < 0) return false;
  libc().fcntl(fd, F_SETLEASE, F_UNLCK);
  return true;
}

function withOpen(kernel: Kernel, path: string, ask: (fd: number) => boolean): boolean {
  const fd = kernel.open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    return ask(fd);
  } finally {
    kernel.close(fd);
  }
}
