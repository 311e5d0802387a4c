import { AT_FDCWD, O_CREAT, O_EXCL, O_NONBLOCK, O_RDONLY, O_TRUNC, O_WRONLY, S_IFIFO, S_IFMT } from "./constants.ts";
import { close, open, read, write, writeAll } from "./descriptors.ts";
import { EFBIG, EIO, ENODATA, ENOENT, failure } from "./errno.ts";
import { Errno } from "./kernel.ts";
import { cString, errno, libc, SYS } from "./libc_symbols.ts";
import { encodeDevice } from "./stat.ts";

const DEFAULT_LIMIT = 1 << 20;
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const bytesOf = (content: Uint8Array | string) => typeof content === "string" ? encoder.encode(content) : content;

// Calls are synchronous and never nest, so one buffer serves every read.
const scratch = new Uint8Array(64 << 10);

export function readFile(path: string, limit = DEFAULT_LIMIT): Uint8Array {
  const fd = open(path, O_RDONLY | O_NONBLOCK);
  try {
    const parts: Uint8Array[] = [];
    let total = 0;
    for (;;) {
      const count = read(fd, scratch);
      if (count === 0) return joined(parts, total);
      total += count;
      if (total > limit) throw failure(EFBIG, "read", `${path} (limit ${limit} bytes)`);
      parts.push(scratch.slice(0, count));
    }
  } catch (error) {
    throw named(error, path);
  } finally {
    close(fd);
  }
}

function joined(parts: Uint8Array[], total: number): Uint8Array {
  if (parts.length === 1) return parts[0];
  const whole = new Uint8Array(total);
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** An error about a descriptor helps nobody who only knows the path. */
function named(error: unknown, path: string): unknown {
  if (!(error instanceof Errno) || error.detail.includes(path)) return error;
  return failure(error.code, error.call, path);
}

export function readText(path: string, limit = DEFAULT_LIMIT): string {
  return decoder.decode(readFile(path, limit));
}

function writeNew(path: string, flags: number, content: Uint8Array | string, mode: number): void {
  const fd = open(path, O_WRONLY | O_CREAT | O_NONBLOCK | flags, mode);
  try {
    writeAll(fd, bytesOf(content));
  } catch (error) {
    throw named(error, path);
  } finally {
    close(fd);
  }
}

export function writeFile(path: string, content: Uint8Array | string, mode = 0o600): void {
  writeNew(path, O_TRUNC, content, mode);
}

export function replaceFile(path: string, content: Uint8Array | string, mode = 0o600): void {
  const draft = `${path}.tmp-${crypto.randomUUID().slice(0, 8)}`;
  try {
    writeNew(draft, O_EXCL, content, mode);
    rename(draft, path);
  } catch (error) {
    libc().unlink(cString(draft));
    throw error;
  }
}

export function writeControl(path: string, content: string): void {
  const fd = open(path, O_WRONLY);
  try {
    const bytes = encoder.encode(content);
    const count = write(fd, bytes);
    if (count !== bytes.length) throw failure(EIO, "write", `${path} (${count} of ${bytes.length} bytes were taken)`);
  } catch (error) {
    throw named(error, `${path} (writing ${JSON.stringify(content.slice(0, 80))})`);
  } finally {
    close(fd);
  }
}

export function unlink(path: string): void {
  if (libc().unlink(cString(path)) < 0) throw failure(errno(), "unlink", path);
}

export function unlinkIfExists(path: string): void {
  if (libc().unlink(cString(path)) < 0) {
    const code = errno();
    if (code !== ENOENT) throw failure(code, "unlink", path);
  }
}

export function rename(from: string, to: string): void {
  if (libc().rename(cString(from), cString(to)) < 0) throw failure(errno(), "rename", `${from} to ${to}`);
}

export function link(from: string, to: string): void {
  if (libc().link(cString(from), cString(to)) < 0) throw failure(errno(), "link", `${from} as ${to}`);
}

export function symlink(target: string, path: string): void {
  if (libc().symlink(cString(target), cString(path)) < 0) throw failure(errno(), "symlink", `${path} to ${target}`);
}

export function readlink(path: string): string {
  const count = Number(libc().readlink(cString(path), scratch, BigInt(scratch.length)));
  if (count < 0) throw failure(errno(), "readlink", path);
  return decoder.decode(scratch.slice(0, count));
}

export function chmod(path: string, mode: number): void {
  if (libc().chmod(cString(path), mode) < 0) throw failure(errno(), "chmod", `${path} to 0o${mode.toString(8)}`);
}

export function chown(path: string, uid: number, gid: number): void {
  if (libc().chown(cString(path), uid, gid) < 0) throw failure(errno(), "chown", `${path} to ${uid}:${gid}`);
}

export function mknod(path: string, mode: number, major: number, minor: number): void {
  const device = encodeDevice(major, minor);
  if (Number(libc().mknodat(BigInt(SYS.mknodat), AT_FDCWD, cString(path), mode, device)) < 0) {
    throw failure(errno(), "mknod", `${path} (mode 0o${mode.toString(8)}, device ${major}:${minor})`);
  }
}

export function mkfifo(path: string, mode: number): void {
  mknod(path, S_IFIFO | (mode & ~S_IFMT), 0, 0);
}

export function setxattr(path: string, name: string, value: Uint8Array): void {
  const result = libc().lsetxattr(
    cString(path),
    cString(name),
    value as Uint8Array<ArrayBuffer>,
    BigInt(value.length),
    0,
  );
  if (result < 0) throw failure(errno(), "setxattr", `${name} of ${path} (${value.length} bytes)`);
}

export function getxattr(path: string, name: string): Uint8Array | undefined {
  // The kernel's own limit on a value is 64 KiB, which is the size of the buffer.
  const count = Number(libc().lgetxattr(cString(path), cString(name), scratch, BigInt(scratch.length)));
  if (count >= 0) return scratch.slice(0, count);
  const code = errno();
  if (code === ENODATA) return undefined;
  throw failure(code, "getxattr", `${name} of ${path}`);
}

export function listxattr(path: string): string[] {
  const count = Number(libc().llistxattr(cString(path), scratch, BigInt(scratch.length)));
  if (count < 0) throw failure(errno(), "listxattr", path);
  return decoder.decode(scratch.slice(0, count)).split("\0").slice(0, -1);
}
