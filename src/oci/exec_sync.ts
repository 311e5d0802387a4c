import { Code, RpcError } from "../rpc/status.ts";
import type { Kernel } from "../sys/kernel.ts";
import { ENOENT, Errno, ESRCH, processGroup, processIdentity, type Programs, type RunResult } from "../sys/mod.ts";
import { killGroup, killTree } from "./process_tree.ts";
import { quote } from "./refusal.ts";
import { RUNTIME_ENV } from "./runtime_env.ts";
import { lastError } from "./runtime_words.ts";
import type { Process } from "./spec.ts";
import type { ExecResult, RuntimeHandler } from "./types.ts";

/** How long the runtime may take to notice that what it ran was killed. */
const RUNTIME_GRACE = 2_000;

/** How long a killed process may take to be gone; one that hangs in the kernel never is. */
const END_GRACE = 5_000;
const END_POLL = 2;

const LOG_LIMIT = 256 << 10;

let counter = 0;

/**
 * One command run to its end in a running container, directly by the runtime: no monitor is needed for what does not
 * outlive the call. Its files are a process description, the pid that the runtime writes, and the runtime's log, which
 * alone tells its own failure from a command's exit code 255.
 */
export class ExecSync {
  readonly #files: { process: string; pid: string; log: string };

  constructor(
    private readonly kernel: Kernel,
    private readonly programs: Programs,
    folder: string,
    private readonly handler: RuntimeHandler,
    private readonly id: string,
  ) {
    const name = `${folder}/${id.slice(0, 64)}-${++counter}`;
    this.#files = { process: `${name}.json`, pid: `${name}.pid`, log: `${name}.log` };
  }

  /** `timeout` in seconds, 0 for none; both outputs together stay under `limit` bytes. */
  async run(process: Process, timeout: number, limit: number): Promise<ExecResult> {
    const { kernel, handler } = this;
    kernel.writeFile(this.#files.process, JSON.stringify({ ...process, terminal: false }), 0o600);
    try {
      const abort = new AbortController();
      const running = this.programs.run(handler.path, this.#args(), {
        env: RUNTIME_ENV,
        outputLimit: limit,
        signal: abort.signal,
      });
      const result = await this.#within(timeout, running, abort);
      if (result === undefined) {
        throw new RpcError(
          Code.DEADLINE_EXCEEDED,
          `exec in container ${this.id}: ${quote(process.args.join(" "))} ran longer than ${timeout} s and was killed`,
        );
      }
      this.#throwIfNotRun(process, result);
      return { exitCode: result.code, ...within(limit, result) };
    } finally {
      for (const file of Object.values(this.#files)) kernel.unlinkIfExists(file);
    }
  }

  #args(): string[] {
    const { root } = this.handler;
    const { process, pid, log } = this.#files;
    return [
      "--root",
      root,
      "--log",
      log,
      "--log-format",
      "json",
      "exec",
      "--process",
      process,
      "--pid-file",
      pid,
      this.id,
    ];
  }

  /** The result, or undefined if time ran out and everything that the command started was killed. */
  async #within(timeout: number, running: Promise<RunResult>, abort: AbortController): Promise<RunResult | undefined> {
    if (timeout <= 0) return await running;
    const inTime = await settled(running, timeout * 1000);
    if (inTime) return await running;
    const pid = this.#kill();
    if (!await settled(running, RUNTIME_GRACE)) {
      // Without the runtime nobody reaps what it may still start: it goes first, then what came of it.
      abort.abort(new Error("the runtime did not end"));
      await settled(running, RUNTIME_GRACE);
      this.#kill();
    }
    running.catch(() => {});
    if (pid !== undefined) await this.#untilGone(pid);
    return undefined;
  }

  /** Kills the command, its group, and what descends from it. The pid, if the runtime had started it. */
  #kill(): number | undefined {
    const pid = this.#pid();
    if (pid === undefined || !this.#isOurs(pid)) return undefined;
    // crun leaves the command in its own group, runc gives it one: the number is only known from the process.
    const group = processGroup(pid, this.kernel);
    killTree(this.kernel, pid);
    if (group !== undefined && group > 1 && group !== processGroup(this.kernel.getpid(), this.kernel)) {
      killGroup(this.kernel, group);
    }
    return pid;
  }

  #pid(): number | undefined {
    const text = ifThere(() => this.kernel.readText(this.#files.pid)) ?? "";
    const pid = Number(text.trim());
    return Number.isInteger(pid) && pid > 1 ? pid : undefined;
  }

  /** A pid may have been given to another process since: one of this container's is in its cgroup. */
  #isOurs(pid: number): boolean {
    return ifThere(() => this.kernel.readText(`/proc/${pid}/cgroup`))?.includes(this.id) ?? false;
  }

  async #untilGone(pid: number): Promise<void> {
    const deadline = Date.now() + END_GRACE;
    while (processIdentity(pid, this.kernel) && this.#isOurs(pid) && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, END_POLL));
    }
  }

  #throwIfNotRun({ args }: Process, { code, signal }: RunResult): void {
    if (code === 0) return;
    const what = `exec in container ${this.id}: ${quote(args.join(" "))}`;
    const error = lastError(ifThere(() => this.kernel.readText(this.#files.log, LOG_LIMIT)) ?? "");
    if (error !== undefined) {
      const stopped = /not running|does not exist|stopped/i.test(error);
      throw new RpcError(
        stopped ? Code.FAILED_PRECONDITION : Code.UNKNOWN,
        `${what}: ${this.handler.name} exit code ${code}: ${error}`,
      );
    }
    if (signal !== 0 && this.#pid() === undefined) {
      throw new RpcError(Code.INTERNAL, `${what}: ${this.handler.name} was killed by signal ${signal}`);
    }
  }
}

/** True if the promise settles within the time. */
async function settled(promise: Promise<unknown>, milliseconds: number): Promise<boolean> {
  let timer: number | undefined;
  const late = new Promise<boolean>((resolve) => timer = setTimeout(() => resolve(false), milliseconds));
  const done = await Promise.race([promise.then(() => true, () => true), late]);
  clearTimeout(timer);
  return done;
}

/** Cuts the outputs to `limit` bytes in all; the error output keeps up to half of it. */
function within(limit: number, { stdout, stderr }: RunResult): Pick<ExecResult, "stdout" | "stderr"> {
  if (stdout.length + stderr.length <= limit) return { stdout, stderr };
  const errors = Math.min(stderr.length, Math.max(limit - stdout.length, limit >> 1));
  return { stdout: stdout.slice(0, limit - errors), stderr: stderr.slice(0, errors) };
}

function ifThere<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if (error instanceof Errno && (error.code === ENOENT || error.code === ESRCH)) return undefined;
    throw error;
  }
}
