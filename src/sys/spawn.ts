import { O_RDWR, SIGKILL } from "./constants.ts";
import { close, duplicate, setCloseOnExec } from "./descriptors.ts";
import { readDirectory } from "./directories.ts";
import { ESRCH, failure, isErrno } from "./errno.ts";
import { addressable, addressableCString, cString, libc } from "./libc_symbols.ts";
import { poller } from "./poller.ts";
import { kill, pidfdOpen, pidfdSendSignal, reap, reapIfEnded } from "./process_calls.ts";
import type { Child, SpawnOptions } from "./programs.ts";
import { StringVector } from "./string_vector.ts";

const POSIX_SPAWN_SETSIGDEF = 0x04;
const POSIX_SPAWN_SETSIGMASK = 0x08;
const POSIX_SPAWN_SETSID = 0x80;

/**
 * Starts a program by posix_spawn: libc's clone shares our memory until exec, so the cost does not grow with the
 * daemon, and descriptors, session and terminal are set without a line of ours running in between. The caller waits until
 * the program has been loaded, which takes as long as the scheduler likes: so this is done on another thread.
 */
export async function start(path: string, args: string[], options: SpawnOptions = {}): Promise<Child> {
  using call = new SpawnCall(path, args, options);
  return childOf(call.finish(await libc().posix_spawn_off_thread(...call.arguments)));
}

/** As {@link start}, on the calling thread, which waits: the program starts in the namespaces that this thread visits. */
export function spawn(path: string, args: string[], options: SpawnOptions = {}): Child {
  using call = new SpawnCall(path, args, options);
  return childOf(call.finish(libc().posix_spawn(...call.arguments)));
}

function childOf(pid: number): Child {
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

type Buffer = Uint8Array<ArrayBuffer>;

/** The arguments of one posix_spawn, and all the memory that they point to: it must live until the call is over. */
class SpawnCall implements Disposable {
  readonly arguments: [Buffer, Buffer, Buffer, Buffer, Buffer, Buffer];
  readonly #detail: string;
  readonly #actions = new FileActions();
  readonly #attributes = addressable(512);
  readonly #pid = addressable(4);
  readonly #strings: StringVector[];

  constructor(path: string, args: string[], options: SpawnOptions) {
    if (!path.startsWith("/")) {
      throw new TypeError(`Cannot start ${JSON.stringify(path)}: the path of a program must be absolute`);
    }
    closeInheritedOnExec();
    this.#detail = `${path} in ${options.cwd ?? "/"}${options.tty ? ` on ${options.tty}` : ""}`;
    libc().posix_spawnattr_init(this.#attributes);
    const argv = new StringVector([path, ...args]);
    const envp = new StringVector(Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`));
    this.#strings = [argv, envp];
    this.arguments = [
      this.#pid,
      addressableCString(path),
      this.#actions.buffer,
      this.#attributes,
      argv.pointers,
      envp.pointers,
    ];
    try {
      this.#describe(options);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  #describe(options: SpawnOptions): void {
    this.#actions.addChdir(options.cwd ?? "/");
    if (options.tty !== undefined) {
      // The leader of a new session gets the first terminal that it opens as its controlling one.
      this.#actions.addOpen(0, options.tty);
      this.#actions.addDup(0, 1);
      this.#actions.addDup(0, 2);
    }
    const fds = Object.entries(options.fds ?? {}).map(([target, source]) => ({ target: Number(target), source }));
    this.#actions.addDescriptors(fds, options.tty !== undefined);

    // Rust ignores SIGPIPE and V8 may block signals: a program must find both as after boot.
    const flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID;
    libc().posix_spawnattr_setflags(this.#attributes, flags);
    libc().posix_spawnattr_setsigmask(this.#attributes, addressable(128));
    libc().posix_spawnattr_setsigdefault(this.#attributes, addressable(128).fill(0xff));
  }

  /** The pid, from the call's result. */
  finish(code: number): number {
    if (code !== 0) throw failure(code, "posix_spawn", this.#detail);
    return new DataView(this.#pid.buffer).getInt32(0, true);
  }

  [Symbol.dispose](): void {
    this.#actions[Symbol.dispose]();
    libc().posix_spawnattr_destroy(this.#attributes);
    // Also keeps the strings alive until here, which nothing but the vectors' addresses refers to.
    this.#strings.length = 0;
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
