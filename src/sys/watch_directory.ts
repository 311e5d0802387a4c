import { asyncFd } from "./async_fd.ts";
import { O_CLOEXEC, O_NONBLOCK, S_IFDIR, S_IFMT } from "./constants.ts";
import { ENOENT, ENOTDIR, failure, isErrno } from "./errno.ts";
import type { Kernel } from "./kernel.ts";
import { cString, errno, libc } from "./libc_symbols.ts";
import type { AsyncFd } from "./programs.ts";

const IN_CLOSE_WRITE = 0x8;
const IN_MOVED_FROM = 0x40;
const IN_MOVED_TO = 0x80;
const IN_CREATE = 0x100;
const IN_DELETE = 0x200;
const IN_DELETE_SELF = 0x400;
const IN_MOVE_SELF = 0x800;
const IN_ONLYDIR = 0x1000000;

const OF_THE_FOLDER = IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_DELETE_SELF |
  IN_MOVE_SELF;
const OF_A_PARENT = IN_MOVED_TO | IN_CREATE | IN_DELETE_SELF | IN_MOVE_SELF;

/**
 * Calls `onChange` after something was made, written, renamed or removed in the folder, or the folder itself came or
 * went. Only a wake-up: changes that come while `onChange` runs are one call after it, and what changed is not said, so
 * look at the whole folder each time. The folder need not exist yet. What it does not see: a folder further up that is
 * renamed, and a symlink on the way that is set to another place.
 *
 * @param onError told when the folder cannot be watched (any more) or `onChange` throws.
 */
export function watchDirectory(
  kernel: Kernel,
  path: string,
  onChange: () => void | Promise<void>,
  onError: (error: unknown) => void = console.error,
): AsyncDisposable {
  return new DirectoryWatch(kernel, path, onChange, onError);
}

class DirectoryWatch implements AsyncDisposable {
  readonly #kernel: Kernel;
  readonly #path: string;
  readonly #inotify: AsyncFd;
  readonly #ended: Promise<void>;
  #watched = "";
  #descriptor = -1;
  #closed = false;

  constructor(
    kernel: Kernel,
    path: string,
    onChange: () => void | Promise<void>,
    onError: (error: unknown) => void,
  ) {
    this.#kernel = kernel;
    this.#path = path.replace(/(?<=.)\/+$/, "");
    const fd = libc().inotify_init1(O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) throw failure(errno(), "inotify_init1", `to watch ${path} (limit: fs.inotify.max_user_instances)`);
    this.#inotify = asyncFd(fd);
    try {
      this.#establish();
    } catch (error) {
      this.#inotify.close();
      throw error;
    }
    this.#ended = this.#loop(onChange, onError);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#inotify.close();
    await this.#ended;
  }

  async #loop(onChange: () => void | Promise<void>, onError: (error: unknown) => void): Promise<void> {
    const events = new Uint8Array(32 << 10);
    while (await this.#inotify.read(events) !== null) {
      try {
        const was = this.#watched;
        this.#establish();
        if (was === this.#path || this.#watched === this.#path) await onChange();
      } catch (error) {
        if (!this.#closed) onError(error);
      }
    }
  }

  /** Watches the folder, or its nearest parent that exists: each step of the way to it is then seen as it appears. */
  #establish(): void {
    for (;;) {
      const nearest = this.#nearest();
      const mask = (nearest === this.#path ? OF_THE_FOLDER : OF_A_PARENT) | IN_ONLYDIR;
      const descriptor = libc().inotify_add_watch(this.#inotify.fd, cString(nearest), mask);
      if (descriptor < 0) {
        const code = errno();
        // It went between the look and the watch.
        if (code === ENOENT || code === ENOTDIR) continue;
        throw failure(code, "inotify_add_watch", `${nearest} (limit: fs.inotify.max_user_watches)`);
      }
      // The same folder yields the same descriptor; another one, also under the same name, makes the old watch useless.
      if (this.#descriptor >= 0 && this.#descriptor !== descriptor) {
        libc().inotify_rm_watch(this.#inotify.fd, this.#descriptor);
      }
      this.#descriptor = descriptor;
      this.#watched = nearest;
      // It may have appeared between the look and the watch.
      if (this.#nearest() === nearest) return;
    }
  }

  #nearest(): string {
    for (let path = this.#path;; path = path.slice(0, path.lastIndexOf("/")) || "/") {
      if (path === "/" || this.#isFolder(path)) return path;
    }
  }

  #isFolder(path: string): boolean {
    try {
      return (this.#kernel.stat(path).mode & S_IFMT) === S_IFDIR;
    } catch (error) {
      if (isErrno(error, ENOENT, ENOTDIR)) return false;
      throw error;
    }
  }
}
