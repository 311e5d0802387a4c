import {
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  O_CLOEXEC,
  O_CREAT,
  O_EXCL,
  O_NOFOLLOW,
  O_WRONLY,
  S_IFLNK,
  S_IFMT,
} from "./constants.ts";
import { ConfinedPlace, ended, entryName } from "./confined_place.ts";
import { close } from "./descriptors.ts";
import { cString, libc, SYS } from "./libc_symbols.ts";
import { encodeDevice, lstatName } from "./stat.ts";

/** What is said of an entry besides its content. Names of xattrs are bytes. */
export interface EntryAttributes {
  /** With the file type. */
  mode: number;
  uid: number;
  gid: number;
  mtimeSeconds: number;
  mtimeNanoseconds: number;
  xattrs: { name: Uint8Array; value: Uint8Array }[];
}

const LINKS = "/links";
const decoder = new TextDecoder();

/**
 * Makes a tree of files whose names, raw bytes, come from somebody who is not trusted, in an empty folder: see
 * {@link ConfinedPlace}. Everything is made new.
 */
export class TreeMaker {
  /** What was made so far takes on the disk. */
  readonly usage = { usedBytes: 0, inodesUsed: 0 };
  #place: ConfinedPlace;
  #links = new Set<number>();

  /** @param folder becomes the root of this process. */
  constructor(folder: string) {
    this.#place = new ConfinedPlace(folder);
    libc().umask(0);
    this.#check(libc().mkdir(cString(LINKS), 0o700), "mkdir", LINKS);
  }

  /** Makes a directory and goes into it. */
  enter(name: Uint8Array): void {
    const path = entryName(name);
    this.#check(libc().mkdir(path, 0o700), "mkdir", path);
    this.#place.enter(name);
  }

  /** Goes back to the directory above, and describes what was left: not before, as what was made in it changed its time. */
  leave(name: Uint8Array, attributes: EntryAttributes): void {
    this.#place.leave();
    this.#describe(entryName(name), attributes);
  }

  /** @param fill writes the content. */
  file(name: Uint8Array, attributes: EntryAttributes, fill: (fd: number) => void): void {
    const path = entryName(name);
    const fd = libc().openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600);
    this.#check(fd, "openat", path);
    try {
      fill(fd);
    } finally {
      close(fd);
    }
    this.#describe(path, attributes);
  }

  symlink(name: Uint8Array, target: Uint8Array, attributes: EntryAttributes): void {
    const path = entryName(name);
    this.#check(libc().symlink(ended(target), path), "symlink", path);
    this.#describe(path, attributes);
  }

  /** A device, a whiteout (character device 0:0) or a fifo. */
  node(name: Uint8Array, major: number, minor: number, attributes: EntryAttributes): void {
    const path = entryName(name);
    const device = encodeDevice(major, minor);
    const made = Number(libc().mknodat(BigInt(SYS.mknodat), AT_FDCWD, path, attributes.mode, device));
    this.#check(made, "mknod", path);
    this.#describe(path, attributes);
  }

  /** Remembers what was made under `name`: {@link TreeMaker.link} gives it more names. */
  share(name: Uint8Array, number: number): void {
    this.#check(libc().link(entryName(name), linkPath(number)), "link", entryName(name));
    this.#links.add(number);
  }

  link(name: Uint8Array, number: number): void {
    const path = entryName(name);
    this.#check(libc().link(linkPath(number), path), "link", path);
  }

  /** Removes what was only there to remember. */
  finish(): void {
    for (const number of this.#links) this.#check(libc().unlink(linkPath(number)), "unlink", linkPath(number));
    this.#check(libc().rmdir(cString(LINKS)), "rmdir", cString(LINKS));
  }

  /** In this order: a new owner takes setuid bits and capabilities away, and an ACL changes the mode. */
  #describe(path: Uint8Array<ArrayBuffer>, attributes: EntryAttributes): void {
    const { mode, uid, gid, mtimeSeconds, mtimeNanoseconds, xattrs } = attributes;
    this.#check(libc().lchown(path, uid, gid), "lchown", path);
    for (const { name, value } of xattrs) {
      const result = libc().lsetxattr(path, ended(name), value.slice(), BigInt(value.length), 0);
      this.#check(result, `setxattr ${decoder.decode(name)}`, path);
    }
    if ((mode & S_IFMT) !== S_IFLNK) this.#check(libc().chmod(path, mode & 0o7777), "chmod", path);
    const [seconds, nanoseconds] = [BigInt(mtimeSeconds), BigInt(mtimeNanoseconds)];
    const times = new BigInt64Array([seconds, nanoseconds, seconds, nanoseconds]);
    this.#check(libc().utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), "utimensat", path);
    this.usage.usedBytes += lstatName(path).blocks * 512;
    this.usage.inodesUsed++;
  }

  #check(result: number, call: string, name: Uint8Array | string): void {
    this.#place.check(result, call, name);
  }
}

function linkPath(number: number): Uint8Array<ArrayBuffer> {
  return cString(`${LINKS}/${number}`);
}
