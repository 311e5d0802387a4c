import { O_RDWR, SIGKILL } from "./constants.ts";
import { close, duplicate, setCloseOnExec } from "./descriptors.ts";
import { readDirectory } from "./directories.ts";
import { ESRCH, failure, isErrno } from "./errno.ts";
import { addressable, addressableCString, addressOf, cString, libc } from "./libc_symbols.ts";
import { poller } from "./poller.ts";
import { kill, pidfdOpen, pidfdSendSignal, reap, reapIfEnded } from "./process_calls.ts";
import type { Child, SpawnOptions } from "./programs.ts";

const POSIX_SPAWN_SETSIGDEF = 0x04;
const POSIX_SPAWN_SETSIGMASK = 0x08;
const POSIX_SPAWN_SETSID = 0x80;

/**
 * Starts a program by posix_spawn: libc's clone shares our memory until exec, so the cost does not grow with the
 * daemon, and descriptors, session and terminal are set without a line of ours running in between.
 */
export function spawn(path: string, args: string[], options: SpawnOptions = {}): Child {
  if (!path.startsWith("/")) {
    throw new TypeError(`Cannot start ${JSON.stringify(path)}: the path of a program must be absolute`);
  }
  closeInheritedOnExec();
  const pid = posixSpawn(path, args, options);
  try {
    return new SpawnedChild(pid, pidfdOpen(pid));
  } catch (error) {
    // Out of descriptors. A child that nobody could wait for must not stay.
    kill(pid, SIGKILL);
    reap(pid);
    throw error;
  }
}

let inheritedClosed = false;

/** Descriptors that we were started with (a shell's, a test rig's) are nobody's business further down. */
function closeInheritedOnExec(): void {
  if (inheritedClosed) return;
  inheritedClosed = true;
  for (const { name } of readDirectory("/proc/self/fd")) {
    if (Number(name) > 2) setCloseOnExec(Number(name));
  }
}

function posixSpawn(path: string, args: string[], options: SpawnOptions): number {
  const actions = new FileActions();
  const attributes = addressable(512);
  libc().posix_spawnattr_init(attributes);
  try {
    actions.addChdir(options.cwd ?? "/");
    if (options.tty !== undefined) {
      // The leader of a new session gets the first terminal that it opens as its controlling one.
      actions.addOpen(0, options.tty);
      actions.addDup(0, 1);
      actions.addDup(0, 2);
    }
    const fds = Object.entries(options.fds ?? {}).map(([target, source]) => ({ target: Number(target), source }));
    actions.addDescriptors(fds, options.tty !== undefined);

    // Rust ignores SIGPIPE and V8 may block signals: a program must find both as after boot.
    libc().posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
    libc().posix_spawnattr_setsigmask(attributes, addressable(128));
    libc().posix_spawnattr_setsigdefault(attributes, addressable(128).fill(0xff));

    const argv = new StringVector([path, ...args]);
    const envp = new StringVector(Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`));
    const pid = addressable(4);
    const program = addressableCString(path);
    const code = libc().posix_spawn(pid, program, actions.buffer, attributes, argv.pointers, envp.pointers);
    // Keeps the strings that the vectors point to alive across the call.
    argv.strings.length = envp.strings.length = 0;
    if (code !== 0) {
      throw failure(code, "posix_spawn", `${path} in ${options.cwd ?? "/"}${options.tty ? ` on ${options.tty}` : ""}`);
    }
    return new DataView(pid.buffer).getInt32(0, true);
  } finally {
    actions[Symbol.dispose]();
    libc().posix_spawnattr_destroy(attributes);
  }
}

/** A NULL-ended array of C strings. */
class StringVector {
  readonly strings: Uint8Array<ArrayBuffer>[];
  readonly pointers: Uint8Array<ArrayBuffer>;

  constructor(texts: string[]) {
    this.strings = texts.map(addressableCString);
    this.pointers = addressable((texts.length + 1) * 8);
    const view = new BigUint64Array(this.pointers.buffer);
    for (const [index, string] of this.strings.entries()) view[index] = addressOf(string);
  }
}

class FileActions implements Disposable {
  readonly buffer = addressable(256);
  readonly #copies: number[] = [];

  constructor() {
    libc().posix_spawn_file_actions_init(this.buffer);
  }

  addChdir(path: string): void {
    this.#check(libc().posix_spawn_file_actions_addchdir_np(this.buffer, cString(path)), `chdir ${path}`);
  }

  addOpen(fd: number, path: string): void {
    this.#check(libc().posix_spawn_file_actions_addopen(this.buffer, fd, cString(path), O_RDWR, 0), `open ${path}`);
  }

  addDup(from: number, to: number): void {
    this.#check(libc().posix_spawn_file_actions_adddup2(this.buffer, from, to), `dup2 ${from} to ${to}`);
  }

  addDescriptors(fds: { target: number; source: number }[], hasTerminal: boolean): void {
    const given = new Set(fds.map(({ target }) => target));
    if (!hasTerminal) { for (const fd of [0, 1, 2]) if (!given.has(fd)) this.addOpen(fd, "/dev/null"); }
    // A source that is also some target would be overwritten before its turn, and dup2 onto itself keeps close-on-exec:
    // every source is first copied out of the way.
    const above = Math.max(9, ...given) + 1;
    for (const { target, source } of fds) {
      const copy = duplicate(source, above);
      this.#copies.push(copy);
      this.addDup(copy, target);
    }
  }

  #check(code: number, detail: string): void {
    if (code !== 0) throw failure(code, "posix_spawn_file_actions", detail);
  }

  [Symbol.dispose](): void {
    libc().posix_spawn_file_actions_destroy(this.buffer);
    for (const copy of this.#copies) close(copy);
  }
}

class SpawnedChild implements Child {
  readonly pid: number;
  readonly status: Promise<{ code: number; signal: number }>;
  #pidfd: number;

  constructor(pid: number, pidfd: number) {
    this.pid = pid;
    this.#pidfd = pidfd;
    this.status = this.#reap();
    // Who does not wait for the status must not be brought down by it.
    this.status.catch(() => {});
  }

  kill(signal: number): void {
    if (this.#pidfd < 0) return;
    try {
      pidfdSendSignal(this.#pidfd, signal);
    } catch (error) {
      if (!isErrno(error, ESRCH)) throw error;
    }
  }

  async #reap(): Promise<{ code: number; signal: number }> {
    const pidfd = this.#pidfd;
    try {
      for (;;) {
        await poller.readable(pidfd);
        const ended = reapIfEnded(this.pid);
        if (ended !== undefined) return ended;
      }
    } finally {
      this.#pidfd = -1;
      poller.forget(pidfd);
      close(pidfd);
    }
  }
}
