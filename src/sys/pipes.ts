import { O_CLOEXEC, O_NOCTTY, O_RDWR } from "./constants.ts";
import { close } from "./descriptors.ts";
import { failure } from "./errno.ts";
import { addressable, errno, fromCString, libc } from "./libc_symbols.ts";

/** A pipe; the caller closes both ends. */
export function pipe(): { read: number; write: number } {
  const buffer = addressable(8);
  if (libc().pipe2(buffer, O_CLOEXEC) < 0) throw failure(errno(), "pipe2", "a new pipe");
  const view = new DataView(buffer.buffer);
  return { read: view.getInt32(0, true), write: view.getInt32(4, true) };
}

/** A pseudo terminal: our end, and the path of the other one for `SpawnOptions.tty`. The caller closes `master`. */
export function openPty(): { master: number; tty: string } {
  const master = libc().posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (master < 0) throw failure(errno(), "posix_openpt", "a new pseudo terminal");
  const name = addressable(128);
  if (libc().unlockpt(master) < 0) {
    const code = errno();
    close(master);
    throw failure(code, "unlockpt", `descriptor ${master}`);
  }
  const code = libc().ptsname_r(master, name, BigInt(name.length));
  if (code !== 0) {
    close(master);
    throw failure(code, "ptsname_r", `descriptor ${master}`);
  }
  return { master, tty: fromCString(name) };
}

const TIOCSWINSZ = 0x5414n;

/** Sets the size of a pseudo terminal through its master; the program on it gets SIGWINCH. */
export function resizePty(master: number, rows: number, columns: number): void {
  const size = new Uint16Array([rows, columns, 0, 0]);
  if (libc().ioctl(master, TIOCSWINSZ, new Uint8Array(size.buffer)) < 0) {
    throw failure(errno(), "ioctl", `TIOCSWINSZ of descriptor ${master}`);
  }
}

const FIONREAD = 0x541bn;

/** Bytes in a pipe or fifo that nobody has read yet; of either end. */
export function unreadBytes(fd: number): number {
  const count = new Int32Array(1);
  if (libc().ioctl(fd, FIONREAD, new Uint8Array(count.buffer)) < 0) {
    throw failure(errno(), "ioctl", `FIONREAD of descriptor ${fd}`);
  }
  return count[0];
}

const F_SETPIPE_SZ = 1031;

/** Makes a pipe hold more, so that its two ends wait for each other less often. Best effort: the user's share of pipe memory may be used up. */
export function enlargePipe(fd: number, bytes: number): void {
  libc().fcntl(fd, F_SETPIPE_SZ, BigInt(bytes));
}
