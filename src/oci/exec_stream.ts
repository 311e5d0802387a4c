import { Code, RpcError } from "../rpc/status.ts";
import type { Kernel } from "../sys/kernel.ts";
import { type Child, type Programs, SIGKILL, type SpawnOptions } from "../sys/mod.ts";
import { ConsoleTerminal } from "./console_terminal.ts";
import { ExecFiles, killCommand, saysStopped } from "./exec_files.ts";
import { childrenOf } from "./process_tree.ts";
import { quote } from "./refusal.ts";
import { RelayedTerminal } from "./relayed_terminal.ts";
import { RUNTIME_ENV } from "./runtime_env.ts";
import type { Process } from "./spec.ts";
import type { Terminal, TerminalSize } from "./terminal.ts";
import type { RuntimeHandler } from "./types.ts";
import { unlessGone } from "./unless_gone.ts";

/** Milliseconds for the runtime to name the process that is to be killed, and between looks. */
const START_GRACE = 10_000;
const START_POLL = 5;
/** Milliseconds between looks whether a runtime that has not started its command still tries, and how many in vain are too many. */
const CHILD_CHECK = 1_000;
const CHILDLESS_CHECKS = 4;

/** Descriptors of the command. */
export type ExecStdio = Pick<SpawnOptions, "fds">;

/** A command in a running container whose input and output are the caller's. */
export interface ExecProcess {
  /** Exit code, once the command has ended. RpcError when the runtime could not run it; never left unhandled. */
  readonly ended: Promise<number>;
  /** Whether the command itself runs or has run: what came out before are the runtime's own words. */
  started(): boolean;
  /** Kills the command and what it started; `ended` follows. */
  kill(): void;
}

/** A command and our end of its terminal, which the caller closes. */
export interface ExecOnTerminal {
  command: ExecProcess;
  terminal: Terminal;
}

export interface ExecMeans {
  kernel: Kernel;
  programs: Programs;
  /** For files that live as long as the command. */
  folder: string;
}

/** Starts a command by the runtime's `exec`. Rejects when not even the runtime could be started. */
export function startExec(
  { kernel, programs, folder }: ExecMeans,
  handler: RuntimeHandler,
  id: string,
  process: Process,
  stdio: ExecStdio,
): Promise<ExecProcess> {
  return withFiles(kernel, folder, id, async (files) => {
    files.write(process);
    const options = { env: { ...RUNTIME_ENV }, ...stdio };
    const child = await programs.start(handler.conmon, files.monitorArgs(handler, id), options);
    return new StreamedExec(files, kernel, child, handler, id, process);
  });
}

/** As {@link startExec}, on a terminal of the container's own. */
export function startExecOnTerminal(
  { kernel, programs, folder }: ExecMeans,
  handler: RuntimeHandler,
  id: string,
  process: Process,
  size?: TerminalSize,
): Promise<ExecOnTerminal> {
  return withFiles(kernel, folder, id, async (files) => {
    files.write(size ? { ...process, consoleSize: { height: size.rows, width: size.columns } } : process);
    const env = { ...RUNTIME_ENV };
    if (handsTerminalOver(handler)) {
      const terminal = new ConsoleTerminal(files.consoleSocket, size);
      try {
        const child = await programs.start(handler.path, files.consoleArgs(handler, id), { env });
        const command = new StreamedExec(files, kernel, child, handler, id, process);
        command.watchHandover(terminal);
        return { command, terminal };
      } catch (error) {
        terminal.close();
        throw error;
      }
    }
    const { terminal, child } = await RelayedTerminal.start(
      kernel,
      size,
      (peer) => programs.start(handler.path, files.args(handler, id), { env, fds: { 0: peer, 1: peer, 2: peer } }),
    );
    const command = new StreamedExec(files, kernel, child, handler, id, process);
    command.watchRelay();
    return { command, terminal };
  });
}

/**
 * crun does so also while it stays until the command ends; runc refuses. On a terminal of ours crun (seen: 1.8.1) drops
 * the last output of one command in five, which it finds only after the command's end.
 */
function handsTerminalOver({ path }: RuntimeHandler): boolean {
  return /(^|\/)crun[^/]*$/.test(path);
}

async function withFiles<T>(
  kernel: Kernel,
  folder: string,
  id: string,
  start: (files: ExecFiles) => Promise<T>,
): Promise<T> {
  kernel.mkdirs(folder, 0o700);
  const files = new ExecFiles(kernel, folder, id);
  try {
    return await start(files);
  } catch (error) {
    files.remove();
    throw error;
  }
}

class StreamedExec implements ExecProcess {
  readonly ended: Promise<number>;
  readonly #what: string;
  #started = false;
  #over = false;
  #killing = false;
  /** Why the runtime had to be killed. */
  #failure?: { how: string; cause?: unknown };

  constructor(
    private readonly files: ExecFiles,
    private readonly kernel: Kernel,
    private readonly child: Child,
    private readonly handler: RuntimeHandler,
    id: string,
    process: Process,
  ) {
    this.#what = `exec in container ${id}: ${quote(process.args.join(" "))}`;
    this.ended = this.#end();
    this.ended.catch(() => {});
  }

  started(): boolean {
    return this.#started ||= this.files.pid() !== undefined;
  }

  kill(): void {
    if (this.#killing || this.#over) return;
    this.#killing = true;
    this.#killOnceStarted();
  }

  async #end(): Promise<number> {
    try {
      const { code, signal } = await this.child.status;
      this.#over = true;
      if (code === 0) this.#started = true;
      if (this.#failure) {
        const { how, cause } = this.#failure;
        throw new RpcError(Code.INTERNAL, `${this.#what}: ${this.handler.name} ${how}`, { cause });
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

  /** A command whose terminal never came cannot be used: it ends, and says why. */
  watchHandover(terminal: ConsoleTerminal): void {
    terminal.arrived.catch((cause) => {
      if (this.#over) return;
      this.#failure = { how: "did not hand over the command's terminal, and was killed", cause };
      this.kill();
    });
    const stop = () => terminal.runtimeEnded();
    this.child.status.then(stop, stop);
  }

  /**
   * runc (seen: 1.1.5, under load, 1 of 1,000 where the command could not be started) may miss the end of the terminal
   * that it holds, and then waits for ever.
   */
  watchRelay(): void {
    let childless = 0;
    const timer = setInterval(() => {
      const { pid } = this.child;
      const alone = !this.started() && unlessGone(() => childrenOf(this.kernel, pid).length === 0);
      childless = alone ? childless + 1 : 0;
      if (childless < CHILDLESS_CHECKS) return;
      this.#failure = { how: "could not start the command, hung, and was killed" };
      this.child.kill(SIGKILL);
    }, CHILD_CHECK);
    this.child.status.finally(() => clearInterval(timer)).catch(() => {});
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
    if (pid === undefined) return this.child.kill(SIGKILL);
    killCommand(this.kernel, pid);
  }
}
