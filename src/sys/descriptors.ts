import { O_CLOEXEC } from "./constants.ts";
import { EINTR, failure } from "./errno.ts";
import { cString, errno, libc, SYS } from "./libc_symbols.ts";

const octal = (mode: number) => "0o" + mode.toString(8);

export function open(path: string, flags: number, mode = 0): number {
  const name = cString(path);
  for (;;) {
    const fd = libc().open(name, flags | O_CLOEXEC, mode);
    if (fd >= 0) return fd;
    const code = errno();
    if (code !== EINTR) throw failure(code, "open", `${path} (flags ${octal(flags)})`);
  }
}

export function openat2(
  dirfd: number,
  path: string,
  how: { flags: number; mode?: number; resolve: number },
): number {
  const struct = new BigUint64Array([
    BigInt((how.flags | O_CLOEXEC) >>> 0),
    BigInt(how.mode ?? 0),
    BigInt(how.resolve),
  ]);
  const name = cString(path);
  for (;;) {
    const fd = Number(libc().openat2(BigInt(SYS.openat2), dirfd, name, struct, 24n));
    if (fd >= 0) return fd;
    const code = errno();
    // EAGAIN (a rename raced with a walk below a root) goes to the caller: retrying without end is an attacker's loop.
    if (code === EINTR) continue;
    throw failure(
      code,
      "openat2",
      `${path} below descriptor ${dirfd} (flags ${octal(how.flags)}, resolve 0x${how.resolve.toString(16)})`,
    );
  }
}

export function close(fd: number): void {
  // Linux frees the number even when it reports EINTR, so close is never repeated.
  if (libc().close(fd) < 0) {
    const code = errno();
    if (code !== EINTR) throw failure(code, "close", `descriptor ${fd}`);
  }
}

export function read(fd: number, into: Uint8Array): number {
  for (;;) {
    const count = Number(libc().read(fd, into as Uint8Array<ArrayBuffer>, BigInt(into.length)));
    if (count >= 0) return count;
    const code = errno();
    if (code !== EINTR) throw failure(code, "read", `descriptor ${fd}`);
  }
}

export function write(fd: number, bytes: Uint8Array): number {
  for (;;) {
    const count = Number(libc().write(fd, bytes as Uint8Array<ArrayBuffer>, BigInt(bytes.length)));
    if (count >= 0) return count;
    const code = errno();
    if (code !== EINTR) throw failure(code, "write", `${bytes.length} bytes to descriptor ${fd}`);
  }
}

/** Writes all of `bytes` to a blocking descriptor. */
export function writeAll(fd: number, bytes: Uint8Array): void {
  for (let offset = 0; offset < bytes.length;) offset += write(fd, offset === 0 ? bytes : bytes.subarray(offset));
}

export function pread(fd: number, into: Uint8Array, offset: number): number {
  for (;;) {
    const count = Number(libc().pread(fd, into as Uint8Array<ArrayBuffer>, BigInt(into.length), BigInt(offset)));
    if (count >= 0) return count;
    const code = errno();
    if (code !== EINTR) throw failure(code, "pread", `descriptor ${fd} at ${offset}`);
  }
}

export function pwrite(fd: number, bytes: Uint8Array, offset: number): number {
  for (;;) {
    const count = Number(libc().pwrite(fd, bytes as Uint8Array<ArrayBuffer>, BigInt(bytes.length), BigInt(offset)));
    if (count >= 0) return count;
    const code = errno();
    if (code !== EINTR) throw failure(code, "pwrite", `${bytes.length} bytes to descriptor ${fd} at ${offset}`);
  }
}

export function ftruncate(fd: number, size: number): void {
  if (libc().ftruncate(fd, BigInt(size)) < 0) throw failure(errno(), "ftruncate", `descriptor ${fd} to ${size} bytes`);
}

export function fchmod(fd: number, mode: number): void {
  if (libc().fchmod(fd, mode) < 0) throw failure(errno(), "fchmod", `descriptor ${fd} to ${octal(mode)}`);
}

export function fchown(fd: number, uid: number, gid: number): void {
  if (libc().fchown(fd, uid, gid) < 0) throw failure(errno(), "fchown", `descriptor ${fd} to ${uid}:${gid}`);
}

const F_DUPFD_CLOEXEC = 1030;
const F_SETFD = 2;
const F_GETFL = 3;
const F_SETFL = 4;
const FD_CLOEXEC = 1n;
const O_NONBLOCK = 0o4000;

/** A close-on-exec copy of `fd` with a number of at least `lowest`. */
export function duplicate(fd: number, lowest: number): number {
  const copy = libc().fcntl(fd, F_DUPFD_CLOEXEC, BigInt(lowest));
  if (copy < 0) throw failure(errno(), "fcntl", `F_DUPFD_CLOEXEC of descriptor ${fd}`);
  return copy;
}

/** Marks `fd` close-on-exec; a descriptor that is not open is fine. */
export function setCloseOnExec(fd: number): void {
  libc().fcntl(fd, F_SETFD, FD_CLOEXEC);
}

export function setNonBlocking(fd: number): void {
  const flags = libc().fcntl(fd, F_GETFL, 0n);
  if (flags < 0) throw failure(errno(), "fcntl", `F_GETFL of descriptor ${fd}`);
  if ((flags & O_NONBLOCK) === 0 && libc().fcntl(fd, F_SETFL, BigInt(flags | O_NONBLOCK)) < 0) {
    throw failure(errno(), "fcntl", `F_SETFL of descriptor ${fd}`);
  }
}
