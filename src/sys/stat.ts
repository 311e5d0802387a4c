import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW } from "./constants.ts";
import { ENOENT, ENOTDIR, failure } from "./errno.ts";
import type { Stat, StatFs } from "./kernel.ts";
import { cString, errno, fromCString, libc } from "./libc_symbols.ts";

const STATX_BASIC_STATS = 0x7ff;
const AT_NO_AUTOMOUNT = 0x800;
const EMPTY = new Uint8Array(1);

const scratch = new Uint8Array(256);
const view = new DataView(scratch.buffer);

/** A device number in the 32 bits that mknodat(2), the system call, takes. */
export function encodeDevice(major: number, minor: number): number {
  return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
}

/** dev_t as user space, and {@link Stat}, spells it (gnu_dev_makedev). */
export function makeDevice(major: number, minor: number): bigint {
  return (BigInt(major & ~0xfff) << 32n) | (BigInt(major & 0xfff) << 8n) |
    (BigInt((minor & ~0xff) >>> 0) << 12n) | BigInt(minor & 0xff);
}

function nanoseconds(offset: number): bigint {
  return view.getBigInt64(offset, true) * 1_000_000_000n + BigInt(view.getUint32(offset + 8, true));
}

// statx(2) has one layout on every architecture, which struct stat has not.
function decodeStat(): Stat {
  return {
    nlink: view.getUint32(16, true),
    uid: view.getUint32(20, true),
    gid: view.getUint32(24, true),
    mode: view.getUint16(28, true),
    ino: view.getBigUint64(32, true),
    size: Number(view.getBigUint64(40, true)),
    blocks: Number(view.getBigUint64(48, true)),
    ctime: nanoseconds(96),
    mtime: nanoseconds(112),
    rdev: makeDevice(view.getUint32(128, true), view.getUint32(132, true)),
    dev: makeDevice(view.getUint32(136, true), view.getUint32(140, true)),
  };
}

export function stat(path: string): Stat {
  if (libc().statx(AT_FDCWD, cString(path), AT_NO_AUTOMOUNT, STATX_BASIC_STATS, scratch) < 0) {
    throw failure(errno(), "stat", path);
  }
  return decodeStat();
}

export function lstat(path: string): Stat {
  return lstatName(cString(path));
}

/** Of a path in raw bytes, with its closing NUL. */
export function lstatName(path: Uint8Array<ArrayBuffer>): Stat {
  const flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
  if (libc().statx(AT_FDCWD, path, flags, STATX_BASIC_STATS, scratch) < 0) {
    throw failure(errno(), "lstat", fromCString(path));
  }
  return decodeStat();
}

export function fstat(fd: number): Stat {
  if (libc().statx(fd, EMPTY, AT_EMPTY_PATH, STATX_BASIC_STATS, scratch) < 0) {
    throw failure(errno(), "fstat", `descriptor ${fd}`);
  }
  return decodeStat();
}

/** Whether something is at `path`; a symlink counts even when it leads nowhere. */
export function exists(path: string): boolean {
  const flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
  if (libc().statx(AT_FDCWD, cString(path), flags, STATX_BASIC_STATS, scratch) === 0) return true;
  const code = errno();
  if (code === ENOENT || code === ENOTDIR) return false;
  throw failure(code, "lstat", path);
}

export function statfs(path: string): StatFs {
  if (libc().statfs(cString(path), scratch) < 0) throw failure(errno(), "statfs", path);
  const long = (offset: number) => Number(view.getBigUint64(offset, true));
  return {
    type: view.getUint32(0, true),
    // Blocks are counted in fragments; a file system without a size for them leaves it 0.
    blockSize: long(72) || long(8),
    blocks: long(16),
    blocksFree: long(24),
    blocksAvailable: long(32),
    files: long(40),
    filesFree: long(48),
  };
}
