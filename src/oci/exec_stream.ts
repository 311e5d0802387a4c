import { Code, RpcError } from "../rpc/status.ts";
import type { Kernel } from "../sys/kernel.ts";
import { type Child, type Programs, SIGKILL, type SpawnOptions } from "../sys/mod.ts";
import { ExecFiles, killCommand, saysStopped } from "./exec_files.ts";
import { resizeInnerTerminal } from "./inner_terminal.ts";
import { childrenOf } from "./process_tree.ts";
import { quote } from "./refusal.ts";
import { RUNTIME_ENV } from "./runtime_env.ts";
import type { Process } from "./spec.ts";
import type { RuntimeHandler } from "./types.ts";
import { unlessGone } from "./unless_gone.ts";

/** Milliseconds for the runtime to name the process that is to be killed, and between looks. */
const START_GRACE = 10_000;
const START_POLL = 5;
/** Milliseconds between looks whether a runtime that has not started its command still tries, and how many in vain are too many. */
const CHILD_CHECK = 1_000;
const CHILDLESS_CHECKS = 4;

/** Descriptors of the command; for a process with a terminal, each of them the other end of a pseudo terminal of ours. */
export interface ExecStdio extends Pick<SpawnOptions, "fds"> {
  /** Of that terminal, as it is at the start: by itself the runtime gives it to the command's own terminal only when that runs. */
  size?: { rows: number; columns: number };
}

/** A command in a running container whose input and output are the caller's. */
export interface ExecProcess {
  /** Exit code, once the command has ended. RpcError when the runtime could not run it; never left unhandled. */
  readonly ended: Promise<number>;
  /** Whether the command itself runs or has run: what came out before are the runtime's own words. */
  started(): boolean;
  /** Passes a new size of the terminal on to the command: the runtime is not told, as the terminal is not its controlling one. */
  resize(rows: number, columns: number): void;
  /** Kills the command and what it started; `ended` follows. */
  kill(): void;
}

/** Starts a command by the runtime's `exec`. Throws when not even the runtime could be started. `folder` is for files that live as long as it. */
export function startExec(
  { kernel, programs, folder }: { kernel: Kernel; programs: Programs; folder: string },
  handler: RuntimeHandler,
  id: string,
  process: Process,
  stdio: ExecStdio,
): ExecProcess {
  kernel.mkdirs(folder, 0o700);
  return new StreamedExec(new ExecFiles(kernel, folder, id), { kernel, programs }, handler, id, process, stdio);
}

class StreamedExec implements ExecProcess {
  readonly ended: Promise<number>;
  readonly #child: Child;
  readonly #what: string;
  #started = false;
  #over = false;
  #killing = false;
  #hung = false;

  constructor(
    private readonly files: ExecFiles,
    private readonly means: { kernel: Kernel; programs: Programs },
    private readonly handler: RuntimeHandler,
    id: string,
    process: Process,
    stdio: ExecStdio,
  ) {
    this.#what = `exec in container ${id}: ${quote(process.args.join(" "))}`;
    try {
      const { size, ...descriptors } = stdio;
      files.write(size ? { ...process, consoleSize: { height: size.rows, width: size.columns } } : process);
      const options = { env: { ...RUNTIME_ENV }, ...descriptors };
      // The command's own terminal hangs up when it ends, and so lets the runtime go.
      this.#child = process.terminal
        ? means.programs.spawn(handler.path, files.args(handler, id), options)
        : means.programs.spawn(handler.conmon, files.monitorArgs(handler, id), options);
    } catch (error) {
      this.files.remove();
      throw error;
    }
    if (process.terminal) this.#watchTerminal();
    this.ended = this.#end();
    this.ended.catch(() => {});
  }

  started(): boolean {
    return this.#started ||= this.files.pid() !== undefined;
  }

  resize(rows: number, columns: number): void {
    if (!this.#over) resizeInnerTerminal(this.means.kernel, this.#child.pid, rows, columns);
  }

  kill(): void {
    if (this.#killing || this.#over) return;
    this.#killing = true;
    this.#killOnceStarted();
  }

  async #end(): Promise<number> {
    try {
      const { code, signal } = await this.#child.status;
      this.#over = true;
      if (code === 0) this.#started = true;
      if (this.#hung) {
        const how = "could not start the command, hung, and was killed";
        throw new RpcError(Code.INTERNAL, `${this.#what}: ${this.handler.name} ${how}`);
      }
      if (this.started() || this.#killing) return code;
      const error = this.files.error();
      const stopped = error !== undefined && saysStopped(error);
      throw new RpcError(
        stopped ? Code.FAILED_PRECONDITION : Code.UNKNOWN,
        `${this.#what}: ${this.handler.name}: ${
          error ?? (signal ? `killed by signal ${signal}` : `exit code ${code}`)
        }`,
      );
    } finally {
      this.#over = true;
      this.files.remove();
    }
  }

  /**
   * runc (seen: 1.1.5, under load, 1 of 1,000 where the command could not be started) may miss the end of the terminal
   * that it holds, and then waits for ever.
   */
  #watchTerminal(): void {
    let childless = 0;
    const timer = setInterval(() => {
      const { pid } = this.#child;
      const alone = !this.started() && unlessGone(() => childrenOf(this.means.kernel, pid).length === 0);
      childless = alone ? childless + 1 : 0;
      if (childless < CHILDLESS_CHECKS) return;
      this.#hung = true;
      this.#child.kill(SIGKILL);
    }, CHILD_CHECK);
    this.#child.status.finally(() => clearInterval(timer)).catch(() => {});
  }

  /**
   * Killing the runtime while it starts the command would leave the command behind, so its pid is waited for. What has
   * been started is a child of our own child, which still runs: its pid cannot be another's.
   */
  async #killOnceStarted(): Promise<void> {
    const deadline = Date.now() + START_GRACE;
    while (!this.#over && !this.started() && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, START_POLL));
    }
    if (this.#over) return;
    const pid = this.files.pid();
    if (pid === undefined) return this.#child.kill(SIGKILL);
    killCommand(this.means.kernel, pid);
  }
}
