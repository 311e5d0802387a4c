import { Code, RpcError } from "../rpc/status.ts";
import type { Kernel } from "../sys/kernel.ts";
import { processIdentity, type Programs, type RunResult } from "../sys/mod.ts";
import { ExecFiles, killCommand, saysStopped } from "./exec_files.ts";
import { quote } from "./refusal.ts";
import { RUNTIME_ENV } from "./runtime_env.ts";
import { lastWords } from "./runtime_words.ts";
import type { Process } from "./spec.ts";
import type { ExecResult, RuntimeHandler } from "./types.ts";
import { unlessGone } from "./unless_gone.ts";

/** How long the runtime may take to notice that what it ran was killed. */
const RUNTIME_GRACE = 2_000;

/** How long a killed process may take to be gone; one that hangs in the kernel never is. */
const END_GRACE = 5_000;
const END_POLL = 2;

/**
 * One command run to its end in a running container. The runtime only starts it, under a program that waits for it: no
 * monitor is needed for what does not outlive the call. Where that program cannot be used the runtime itself waits, and
 * runc does so until no child of the command has the output open.
 */
export class ExecSync {
  readonly #files: ExecFiles;

  constructor(
    private readonly kernel: Kernel,
    private readonly programs: Programs,
    folder: string,
    private readonly handler: RuntimeHandler,
    private readonly id: string,
    private readonly attend: string | undefined,
  ) {
    this.#files = new ExecFiles(kernel, folder, id);
  }

  /** `timeout` in seconds, 0 for none; both outputs together stay under `limit` bytes. */
  async run(
    process: Process,
    timeout: number,
    limit: number,
    outputOwner?: { uid: number; gid: number },
  ): Promise<ExecResult> {
    const { handler } = this;
    this.#files.write({ ...process, terminal: false });
    try {
      const abort = new AbortController();
      const [program, args] = this.attend === undefined
        ? [handler.path, this.#files.args(handler, this.id)]
        : [this.attend, this.#files.attendArgs(handler, this.id)];
      const running = this.programs.run(program, args, {
        env: RUNTIME_ENV,
        outputLimit: limit,
        outputOwner,
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
      this.#files.remove();
    }
  }

  /** The result, or undefined if time ran out and everything that the command started was killed. */
  async #within(timeout: number, running: Promise<RunResult>, abort: AbortController): Promise<RunResult | undefined> {
    if (timeout <= 0) return await running;
    const inTime = await settled(running, timeout * 1000);
    if (inTime) return await running;
    let pid = this.#kill();
    if (!await settled(running, RUNTIME_GRACE)) {
      // Without the runtime nobody reaps what it may still start: it goes first, then what came of it.
      abort.abort(new Error("the runtime did not end"));
      await settled(running, RUNTIME_GRACE);
      pid = this.#kill() ?? pid;
    }
    running.catch(() => {});
    if (pid !== undefined) await this.#untilGone(pid);
    return undefined;
  }

  /** Kills the command, its group, and what descends from it. The pid, if the runtime had started it. */
  #kill(): number | undefined {
    const pid = this.#files.pid();
    if (pid === undefined || !this.#isOurs(pid)) return undefined;
    killCommand(this.kernel, pid);
    return pid;
  }

  /** A pid may have been given to another process since: one of this container's is in its cgroup. */
  #isOurs(pid: number): boolean {
    return unlessGone(() => this.kernel.readText(`/proc/${pid}/cgroup`))?.includes(this.id) ?? false;
  }

  async #untilGone(pid: number): Promise<void> {
    const deadline = Date.now() + END_GRACE;
    while (processIdentity(pid, this.kernel) && this.#isOurs(pid) && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, END_POLL));
    }
  }

  #throwIfNotRun({ args }: Process, result: RunResult): void {
    const { code, signal } = result;
    if (code === 0) return;
    const what = `exec in container ${this.id}: ${quote(args.join(" "))}`;
    const error = this.#files.error();
    if (error !== undefined) {
      throw new RpcError(
        saysStopped(error) ? Code.FAILED_PRECONDITION : Code.UNKNOWN,
        `${what}: ${this.handler.name} exit code ${code}: ${error}`,
      );
    }
    if (this.#files.pid() === undefined) {
      const ended = signal === 0 ? `ended with exit code ${code}` : `was killed by signal ${signal}`;
      throw new RpcError(
        Code.INTERNAL,
        `${what}: ${this.handler.name} ${ended} before the command ran: ${
          lastWords(new TextDecoder().decode(result.stderr)) || "without a word"
        }`,
      );
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
