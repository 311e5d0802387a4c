import { AT_FDCWD, O_CLOEXEC, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } from "./constants.ts";
import { ConfinedPlace, ended, entryName } from "./confined_place.ts";
import { close } from "./descriptors.ts";
import { nextEntries } from "./directories.ts";
import { libc } from "./libc_symbols.ts";
import type { Stat } from "./kernel.ts";
import { lstatName } from "./stat.ts";

/** Bytes of an xattr, of the names of all of them, and of the entries of a directory that are read at once. */
const BUFFER = 1 << 16;

/** Looks at a tree of files whose names are raw bytes, directory by directory: see {@link ConfinedPlace}. */
export class TreeReader {
  #place: ConfinedPlace;
  #buffer = new Uint8Array(BUFFER);

  /** @param folder becomes the root of this process. */
  constructor(folder: string) {
    this.#place = new ConfinedPlace(folder);
  }

  enter(name: Uint8Array): void {
    this.#place.enter(name);
  }

  leave(): void {
    this.#place.leave();
  }

  /** The names in the directory at hand. */
  *names(): Generator<Uint8Array> {
    const fd = libc().openat(AT_FDCWD, HERE, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    this.#place.check(fd, "openat", ".");
    try {
      for (let entries = nextEntries(fd, this.#buffer, "."); entries; entries = nextEntries(fd, this.#buffer, ".")) {
        for (const { name } of entries) yield name.subarray(0, -1);
      }
    } finally {
      close(fd);
    }
  }

  /** @param name empty for the directory at hand. */
  describe(name: Uint8Array): Stat {
    return lstatName(pathOf(name));
  }

  /** Of a file, a symlink, a device or a directory; `name` empty for the one at hand. */
  xattrs(name: Uint8Array): { name: Uint8Array; value: Uint8Array }[] {
    const path = pathOf(name);
    const length = Number(libc().llistxattr(path, this.#buffer, BigInt(BUFFER)));
    this.#place.check(length, "listxattr", path);
    const names = this.#buffer.slice(0, length);
    const found: { name: Uint8Array; value: Uint8Array }[] = [];
    for (let at = 0; at < length;) {
      const end = names.indexOf(0, at);
      const one = names.slice(at, end);
      const size = Number(libc().lgetxattr(path, ended(one), this.#buffer, BigInt(BUFFER)));
      this.#place.check(size, "getxattr", path);
      found.push({ name: one, value: this.#buffer.slice(0, size) });
      at = end + 1;
    }
    return found;
  }

  /** Where a symlink leads. */
  target(name: Uint8Array): Uint8Array {
    const path = entryName(name);
    const length = Number(libc().readlink(path, this.#buffer, BigInt(BUFFER)));
    this.#place.check(length, "readlink", path);
    return this.#buffer.slice(0, length);
  }

  /** Opens a file to be read: a descriptor. */
  open(name: Uint8Array): number {
    const path = entryName(name);
    const fd = libc().openat(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
    this.#place.check(fd, "openat", path);
    return fd;
  }
}

const HERE = new Uint8Array([0x2e, 0]);

function pathOf(name: Uint8Array): Uint8Array<ArrayBuffer> {
  return name.length === 0 ? HERE : entryName(name);
}
