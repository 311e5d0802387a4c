import {
  AT_FDCWD,
  AT_REMOVEDIR,
  O_CLOEXEC,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  RESOLVE_NO_SYMLINKS,
  RESOLVE_NO_XDEV,
} from "./constants.ts";
import { close } from "./descriptors.ts";
import { nextEntries } from "./directories.ts";
import { EBUSY, EISDIR, ELOOP, ENOENT, ENOTDIR, ENOTEMPTY, EPERM, EXDEV, failure } from "./errno.ts";
import { cString, errno, fromCString, libc, SYS } from "./libc_symbols.ts";
import { closeOffThread, unlinkAt } from "./off_thread.ts";

/** Milliseconds of work between two turns of the event loop. */
const SLICE = 4;
/** Descriptors held at once; deeper directories are moved up to the top of the tree before they are walked. */
const DEEPEST = 32;
/** How often a directory is read again when something appears in it while it is being emptied. */
const PASSES = 16;

interface Level {
  fd: number;
  name: Uint8Array<ArrayBuffer>;
  path: string;
  pending: { name: Uint8Array<ArrayBuffer>; directory: boolean }[];
  /** Something was found in the pass that is going on. */
  found: boolean;
  passes: number;
}

/**
 * Removes what is at `path`; nothing there is fine. Every step is relative to an open directory and follows no symlink,
 * so a tree whose owner changes it meanwhile cannot lead us elsewhere. A mount in the tree stops it with EBUSY.
 */
export async function removeTree(path: string): Promise<void> {
  const clean = path.replace(/\/+$/, "");
  const slash = clean.lastIndexOf("/");
  if (clean === "" || clean.endsWith("/.") || clean.endsWith("/..") || clean === "." || clean === "..") {
    throw failure(EPERM, "removeTree", path);
  }
  const parent = libc().openat(
    AT_FDCWD,
    cString(slash < 0 ? "." : clean.slice(0, slash) || "/"),
    O_PATH | O_DIRECTORY | O_CLOEXEC,
    0,
  );
  if (parent < 0) {
    const code = errno();
    if (code === ENOENT || code === ENOTDIR) return;
    throw failure(code, "openat", clean);
  }
  try {
    const name = cString(clean.slice(slash + 1));
    if (!(await removedAsFile(parent, name, clean))) await new TreeRemoval(parent).run(name, clean);
  } finally {
    close(parent);
  }
}

/** True when `name` is gone; false when it is a directory. */
async function removedAsFile(dirfd: number, name: Uint8Array<ArrayBuffer>, path: string): Promise<boolean> {
  const code = await unlinkAt(dirfd, name, 0);
  if (code === 0 || code === ENOENT) return true;
  if (code === EISDIR) return false;
  throw failure(code, "unlinkat", path);
}

class TreeRemoval {
  readonly #parent: number;
  readonly #levels: Level[] = [];
  readonly #buffer = new Uint8Array(32 << 10);
  #moved = 0;
  #since = performance.now();

  constructor(parent: number) {
    this.#parent = parent;
  }

  async run(name: Uint8Array<ArrayBuffer>, path: string): Promise<void> {
    try {
      await this.#enter(this.#parent, name, path);
      while (this.#levels.length > 0) {
        await this.#step(this.#levels[this.#levels.length - 1]);
        await this.#breathe();
      }
    } finally {
      for (const level of this.#levels) close(level.fd);
    }
  }

  /** A bounded piece of work: one entry, one batch of names, or the end of a directory. */
  async #step(level: Level): Promise<void> {
    const entry = level.pending.pop();
    if (entry === undefined) {
      const batch = nextEntries(level.fd, this.#buffer, level.path);
      if (batch === null) await this.#endPass(level);
      else if (batch.length > 0) {
        level.found = true;
        level.pending = batch;
      }
      return;
    }
    const path = `${level.path}/${fromCString(entry.name)}`;
    if (!entry.directory && await removedAsFile(level.fd, entry.name, path)) return;
    if (this.#levels.length < DEEPEST) await this.#enter(level.fd, entry.name, path);
    else this.#moveUp(level, entry.name, path);
  }

  async #enter(dirfd: number, name: Uint8Array<ArrayBuffer>, path: string): Promise<void> {
    const how = new BigUint64Array([
      BigInt((O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) >>> 0),
      0n,
      BigInt(RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV),
    ]);
    const fd = Number(libc().openat2(BigInt(SYS.openat2), dirfd, name, how, 24n));
    if (fd >= 0) {
      this.#levels.push({ fd, name, path, pending: [], found: false, passes: 0 });
      return;
    }
    const code = errno();
    if (code === ENOENT) return;
    if (code === EXDEV) throw failure(EBUSY, "removeTree", `${path} (something is mounted there)`);
    // It is no directory (any more), or d_type was not known.
    if ((code === ENOTDIR || code === ELOOP) && await removedAsFile(dirfd, name, path)) return;
    throw failure(code, "openat2", path);
  }

  async #endPass(level: Level): Promise<void> {
    const top = this.#levels.length - 1;
    if (level.found && level.passes < PASSES) {
      // Entries may have been moved here, or been made while we read: look again from the start.
      level.passes++;
      level.found = false;
      libc().lseek(level.fd, 0n, 0);
      return;
    }
    const dirfd = top === 0 ? this.#parent : this.#levels[top - 1].fd;
    const code = await unlinkAt(dirfd, level.name, AT_REMOVEDIR);
    if (code === ENOTEMPTY && level.passes < PASSES) {
      level.passes++;
      level.found = false;
      libc().lseek(level.fd, 0n, 0);
      return;
    }
    if (code !== 0 && code !== ENOENT) throw failure(code, "rmdir", level.path);
    this.#levels.pop();
    await closeOffThread(level.fd);
  }

  #moveUp(level: Level, name: Uint8Array<ArrayBuffer>, path: string): void {
    const top = this.#levels[0];
    const target = cString(`.skiff-removing-${this.#moved++}-${crypto.randomUUID().slice(0, 8)}`);
    if (libc().renameat(level.fd, name, top.fd, target) < 0) {
      const code = errno();
      if (code === ENOENT) return;
      throw failure(code, "renameat", path);
    }
    // The top is read again after its pass as long as passes find something; moves must not use up that number.
    top.found = true;
    top.passes = 0;
  }

  async #breathe(): Promise<void> {
    if (performance.now() - this.#since < SLICE) return;
    await new Promise((resolve) => setTimeout(resolve));
    this.#since = performance.now();
  }
}
