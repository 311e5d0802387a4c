import {
  AT_FDCWD,
  O_CLOEXEC,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  RESOLVE_BENEATH,
  RESOLVE_NO_SYMLINKS,
  RESOLVE_NO_XDEV,
} from "./constants.ts";
import { close } from "./descriptors.ts";
import { EEXIST, failure } from "./errno.ts";
import { cString, errno, libc, SYS } from "./libc_symbols.ts";

const SLASH = 0x2f;
const decoder = new TextDecoder();

/**
 * Where this process is in a folder that it is confined to by chroot(2), for good. Names, raw bytes, come from somebody who
 * is not trusted: one is one name and never a path, and nothing is followed. The working directory is where the next name
 * is, so a tree may be as deep as it likes.
 */
export class ConfinedPlace {
  #path: string[] = [];

  /** @param folder becomes the root of this process. */
  constructor(folder: string) {
    if (libc().chdir(cString(folder)) < 0) throw failure(errno(), "chdir", folder);
    if (libc().chroot(cString(".")) < 0) throw failure(errno(), "chroot", folder);
  }

  /** Goes into a directory. */
  enter(name: Uint8Array): void {
    const path = entryName(name);
    const how = new BigUint64Array([
      BigInt((O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) >>> 0),
      0n,
      BigInt(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV),
    ]);
    const fd = Number(libc().openat2(BigInt(SYS.openat2), AT_FDCWD, path, how, 24n));
    this.check(fd, "openat2", path);
    try {
      this.check(libc().fchdir(fd), "fchdir", path);
    } finally {
      close(fd);
    }
    this.#path.push(decoder.decode(name));
  }

  /** Goes back to the directory above. */
  leave(): void {
    this.check(libc().chdir(cString("..")), "chdir", "..");
    this.#path.pop();
  }

  /** @throws {Errno} for a call that failed. `name` is in the working directory. */
  check(result: number, call: string, name: Uint8Array | string): void {
    if (result >= 0) return;
    const code = errno();
    const last = typeof name === "string" ? name : decoder.decode(name.subarray(0, -1));
    const twice = code === EEXIST ? " (a name is there twice)" : "";
    throw failure(code, call, `${[...this.#path, last].join("/")}${twice}`);
  }
}

/** A name in the working directory, with its closing NUL. */
export function entryName(name: Uint8Array): Uint8Array<ArrayBuffer> {
  const text = decoder.decode(name);
  if (name.length === 0 || name.includes(SLASH) || text === "." || text === "..") {
    throw new TypeError(`Cannot use the name ${JSON.stringify(text)} for an entry`);
  }
  return ended(name);
}

/** With the closing NUL. */
export function ended(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  if (bytes.includes(0)) throw new TypeError(`Cannot pass bytes with a NUL: ${JSON.stringify(decoder.decode(bytes))}`);
  const buffer = new Uint8Array(bytes.length + 1);
  buffer.set(bytes);
  return buffer;
}
