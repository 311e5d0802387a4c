/**
 * Starting programs. `Programs` is what the rest of the house sees; `spawn.ts` implements it.
 * Absolute paths only, a clean environment, no descriptor above 2 but the ones asked for.
 */
export interface Programs {
  /**
   * Runs a program to its end with stdin from `input` and its output captured: at most `outputLimit` bytes of each
   * (default 1 MiB; the rest is read and dropped). A timeout or an aborted signal kills it, and what it started in its
   * process group, with SIGKILL; after an abort `run` rejects with the signal's reason. Processes that the program
   * leaves behind with its output open are not waited for.
   */
  run(path: string, args: string[], options?: RunOptions): Promise<RunResult>;
  /**
   * Starts a program whose descriptors are given by number (0, 1, 2 default to /dev/null), by posix_spawn, in a session
   * of its own. It is not killed when this process ends.
   */
  spawn(path: string, args: string[], options: SpawnOptions): Child;
  /**
   * As `spawn`, but the loading of the program is waited for on another thread: on a busy machine it takes the calling one
   * milliseconds in which nothing else is answered.
   */
  start(path: string, args: string[], options: SpawnOptions): Promise<Child>;
}

export interface RunOptions {
  env?: Record<string, string>;
  cwd?: string;
  input?: Uint8Array | string;
  outputLimit?: number;
  /** Milliseconds. */
  timeout?: number;
  signal?: AbortSignal;
  /** Run in this pinned network namespace. */
  netns?: string;
  /** Whose the pipes of the output are: their owner alone can open them again by /dev/stdout. Default: ours. */
  outputOwner?: { uid: number; gid: number };
}

export interface RunResult {
  code: number;
  /** The signal that ended it, or 0. */
  signal: number;
  timedOut: boolean;
  stdout: Uint8Array;
  stderr: Uint8Array;
  /** More came than `outputLimit`. */
  truncated: boolean;
}

export interface SpawnOptions {
  env?: Record<string, string>;
  cwd?: string;
  /** child descriptor → our descriptor (stays ours, the caller closes it). */
  fds?: Record<number, number>;
  /** Path of a pty's other end: becomes stdin, stdout, stderr and the controlling terminal. */
  tty?: string;
}

export interface Child {
  readonly pid: number;
  /** Settles once, when the child has been reaped. */
  readonly status: Promise<{ code: number; signal: number }>;
  /** Through the pidfd: never hits a reused pid. */
  kill(signal: number): void;
}

/** A descriptor with non-blocking reads and writes on the event loop (epoll). */
export interface AsyncFd {
  readonly fd: number;
  /** Bytes read, or null at the end. */
  read(into: Uint8Array): Promise<number | null>;
  /** Writes all. */
  write(bytes: Uint8Array): Promise<void>;
  close(): void;
}
