import { Code, RpcError } from "../rpc/status.ts";
import type { Kernel } from "../sys/kernel.ts";
import {
  type Child,
  ENOENT,
  Errno,
  ESRCH,
  processGroup,
  type Programs,
  SIGKILL,
  type SpawnOptions,
} from "../sys/mod.ts";
import { killGroup, killTree } from "./process_tree.ts";
import { quote } from "./refusal.ts";
import { RUNTIME_ENV } from "./runtime_env.ts";
import { lastError } from "./runtime_words.ts";
import type { Process } from "./spec.ts";
import type { RuntimeHandler } from "./types.ts";

const LOG_LIMIT = 256 << 10;
/** Milliseconds for the runtime to name the process that is to be killed, and between looks. */
const START_GRACE = 10_000;
const START_POLL = 5;

/** Descriptors of the command, or the path of its terminal. */
export type ExecStdio = Pick<SpawnOptions, "fds" | "tty">;

/** A command in a running container whose input and output are the caller's. */
export interface ExecProcess {
  /** Exit code, once the command has ended. RpcError when the runtime could not run it; never left unhandled. */
  readonly ended: Promise<number>;
  /** Whether the command itself runs or has run: what came out before are the runtime's own words. */
  started(): boolean;
  /** Kills the command and what it started; `ended` follows. */
  kill(): void;
}

let counter = 0;

/** Starts a command by the runtime's `exec`. Throws when not even the runtime could be started. `folder` is for files that live as long as it. */
export function startExec(
  { kernel, programs, folder }: { kernel: Kernel; programs: Programs; folder: string },
  handler: RuntimeHandler,
  id: string,
  process: Process,
  stdio: ExecStdio,
): ExecProcess {
  kernel.mkdirs(folder, 0o700);
  return new StreamedExec(kernel, programs, `${folder}/${id.slice(0, 64)}-s${++counter}`, handler, id, process, stdio);
}

class StreamedExec implements ExecProcess {
  readonly ended: Promise<number>;
  readonly #files: { process: string; pid: string; log: string };
  readonly #child: Child;
  readonly #what: string;
  #started = false;
  #over = false;
  #killing = false;

  constructor(
    private readonly kernel: Kernel,
    programs: Programs,
    name: string,
    private readonly handler: RuntimeHandler,
    private readonly id: string,
    process: Process,
    stdio: ExecStdio,
  ) {
    this.#what = `exec in container ${id}: ${quote(process.args.join(" "))}`;
    this.#files = { process: `${name}.json`, pid: `${name}.pid`, log: `${name}.log` };
    try {
      kernel.writeFile(this.#files.process, JSON.stringify(process), 0o600);
      this.#child = programs.spawn(handler.path, this.#args(), { env: { ...RUNTIME_ENV }, ...stdio });
    } catch (error) {
      this.#removeFiles();
      throw error;
    }
    this.ended = this.#end();
    this.ended.catch(() => {});
  }

  started(): boolean {
    return this.#started ||= this.#pid() !== undefined;
  }

  kill(): void {
    if (this.#killing || this.#over) return;
    this.#killing = true;
    this.#killOnceStarted();
  }

  #args(): string[] {
    const { process, pid, log } = this.#files;
    const global = ["--root", this.handler.root, "--log", log, "--log-format", "json"];
    return [...global, "exec", "--process", process, "--pid-file", pid, this.id];
  }

  async #end(): Promise<number> {
    try {
      const { code, signal } = await this.#child.status;
      this.#over = true;
      if (code === 0) this.#started = true;
      if (this.started() || this.#killing) return code;
      const error = lastError(ifThere(() => this.kernel.readText(this.#files.log, LOG_LIMIT)) ?? "");
      const stopped = error !== undefined && /not running|does not exist|stopped/i.test(error);
      throw new RpcError(
        stopped ? Code.FAILED_PRECONDITION : Code.UNKNOWN,
        `${this.#what}: ${this.handler.name}: ${
          error ?? (signal ? `killed by signal ${signal}` : `exit code ${code}`)
        }`,
      );
    } finally {
      this.#over = true;
      this.#removeFiles();
    }
  }

  /**
   * Killing the runtime while it starts the command would leave the command behind, so its pid is waited for. What has
   * been started is a child of the runtime, which is ours and not reaped yet: its pid cannot be another's.
   */
  async #killOnceStarted(): Promise<void> {
    const deadline = Date.now() + START_GRACE;
    while (!this.#over && !this.started() && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, START_POLL));
    }
    if (this.#over) return;
    const pid = this.#pid();
    if (pid === undefined) return this.#child.kill(SIGKILL);
    // crun leaves the command in its own group, runc gives it one: the number is only known from the process.
    const group = processGroup(pid, this.kernel);
    killTree(this.kernel, pid);
    if (group !== undefined && group > 1 && group !== processGroup(this.kernel.getpid(), this.kernel)) {
      killGroup(this.kernel, group);
    }
  }

  #pid(): number | undefined {
    const pid = Number(ifThere(() => this.kernel.readText(this.#files.pid)) ?? "");
    return Number.isInteger(pid) && pid > 1 ? pid : undefined;
  }

  #removeFiles(): void {
    for (const file of Object.values(this.#files)) this.kernel.unlinkIfExists(file);
  }
}

function ifThere<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if (error instanceof Errno && (error.code === ENOENT || error.code === ESRCH)) return undefined;
    throw error;
  }
}
