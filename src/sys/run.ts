import { asyncFd } from "./async_fd.ts";
import { CLONE_NEWNET, SIGKILL } from "./constants.ts";
import { close, fchown } from "./descriptors.ts";
import { ESRCH, isErrno } from "./errno.ts";
import { inNamespaces } from "./namespaces.ts";
import { pipe } from "./pipes.ts";
import { kill } from "./process_calls.ts";
import type { AsyncFd, Child, Programs, RunOptions, RunResult } from "./programs.ts";
import { spawn, start } from "./spawn.ts";

const DEFAULT_OUTPUT_LIMIT = 1 << 20;
/** Milliseconds for what is in the pipes when the program has ended: a child of it may hold them open for ever. */
const DRAIN = 200;

async function run(path: string, args: string[], options: RunOptions = {}): Promise<RunResult> {
  options.signal?.throwIfAborted();
  const limit = options.outputLimit ?? DEFAULT_OUTPUT_LIMIT;
  const { child, stdin, stdout, stderr } = await startPiped(path, args, options);
  const out = new Output(stdout, limit);
  const err = new Output(stderr, limit);
  const fed = feed(stdin, options.input);

  let timedOut = false;
  const timer = options.timeout === undefined ? undefined : setTimeout(() => {
    timedOut = true;
    killSession(child);
  }, options.timeout);
  const onAbort = () => killSession(child);
  options.signal?.addEventListener("abort", onAbort);
  let status;
  try {
    status = await child.status;
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", onAbort);
    stdin?.close();
    const deadline = setTimeout(() => {
      stdout.close();
      stderr.close();
    }, DRAIN);
    await Promise.all([out.done, err.done, fed]);
    clearTimeout(deadline);
    stdout.close();
    stderr.close();
  }
  // A program that ended well before the abort reached it has ended well.
  if (options.signal?.aborted && status.signal === SIGKILL && !timedOut) throw options.signal.reason;
  return {
    ...status,
    timedOut: timedOut && status.signal === SIGKILL,
    stdout: out.bytes(),
    stderr: err.bytes(),
    truncated: out.truncated || err.truncated,
  };
}

interface Started {
  child: Child;
  stdin?: AsyncFd;
  stdout: AsyncFd;
  stderr: AsyncFd;
}

async function startPiped(path: string, args: string[], options: RunOptions): Promise<Started> {
  const theirs: number[] = [];
  const ours: AsyncFd[] = [];
  /** Returns the program's end of a new pipe and keeps both to be closed. */
  const newPipe = (their: "read" | "write") => {
    const ends = pipe();
    theirs.push(ends[their]);
    ours.push(asyncFd(ends[their === "read" ? "write" : "read"]));
    return ends[their];
  };
  try {
    const fds: Record<number, number> = { 1: newPipe("write"), 2: newPipe("write") };
    const { outputOwner } = options;
    if (outputOwner) { for (const fd of theirs) fchown(fd, outputOwner.uid, outputOwner.gid); }
    if (options.input !== undefined) fds[0] = newPipe("read");
    const { netns, env, cwd } = options;
    const child = netns === undefined
      ? await start(path, args, { env, cwd, fds })
      : inNamespaces([{ path: netns, flag: CLONE_NEWNET }], () => spawn(path, args, { env, cwd, fds }));
    const [stdout, stderr, stdin] = ours;
    return { child, stdout, stderr, stdin };
  } catch (error) {
    for (const fd of ours) fd.close();
    throw error;
  } finally {
    for (const fd of theirs) close(fd);
  }
}

/** The program leads a session and a group of its own: what it started goes with it. Its pid stays ours until reaped. */
function killSession(child: Child): void {
  try {
    kill(-child.pid, SIGKILL);
  } catch (error) {
    if (!isErrno(error, ESRCH)) throw error;
  }
  child.kill(SIGKILL);
}

const encoder = new TextEncoder();

async function feed(stdin: AsyncFd | undefined, input: Uint8Array | string | undefined): Promise<void> {
  if (stdin === undefined || input === undefined) return;
  try {
    await stdin.write(typeof input === "string" ? encoder.encode(input) : input);
  } catch {
    // A program may end, or close its stdin, without having read all of it: its exit code says whether that is wrong.
  } finally {
    stdin.close();
  }
}

/** Collects at most `limit` bytes, and reads on so that the program never blocks on a full pipe. */
class Output {
  truncated = false;
  readonly done: Promise<void>;
  readonly #parts: Uint8Array[] = [];
  #size = 0;

  constructor(source: AsyncFd, limit: number) {
    this.done = this.#collect(source, limit);
  }

  async #collect(source: AsyncFd, limit: number): Promise<void> {
    const buffer = new Uint8Array(32 << 10);
    for (;;) {
      const count = await source.read(buffer);
      if (count === null) return;
      const wanted = Math.min(count, limit - this.#size);
      if (wanted < count) this.truncated = true;
      if (wanted === 0) continue;
      this.#parts.push(buffer.slice(0, wanted));
      this.#size += wanted;
    }
  }

  bytes(): Uint8Array {
    const whole = new Uint8Array(this.#size);
    let offset = 0;
    for (const part of this.#parts) {
      whole.set(part, offset);
      offset += part.length;
    }
    return whole;
  }
}

/** The one place that starts programs. */
export const programs: Programs = { run, start, spawn };
