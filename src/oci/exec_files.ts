import type { Kernel } from "../sys/kernel.ts";
import { processGroup } from "../sys/mod.ts";
import { killGroup, killTree } from "./process_tree.ts";
import { lastError } from "./runtime_words.ts";
import type { Process } from "./spec.ts";
import type { RuntimeHandler } from "./types.ts";
import { unlessGone } from "./unless_gone.ts";

const LOG_LIMIT = 256 << 10;
const ID_IN_NAME = 64;

let counter = 0;

/**
 * The files of one `runtime exec`: the description of the process, the pid that the runtime writes, and the runtime's log,
 * which alone tells its own failure from a command's exit code 255.
 */
export class ExecFiles {
  /** Where a runtime that hands its terminal over finds who takes it; short, as a socket's path is limited. */
  readonly consoleSocket: string;
  readonly #paths: { process: string; pid: string; log: string; console: string };

  constructor(private readonly kernel: Kernel, folder: string, id: string) {
    const name = `${folder}/${id.slice(0, ID_IN_NAME)}-${++counter}`;
    this.consoleSocket = `${folder}/${crypto.randomUUID().slice(0, 8)}`;
    this.#paths = { process: `${name}.json`, pid: `${name}.pid`, log: `${name}.log`, console: this.consoleSocket };
  }

  write(process: Process): void {
    this.kernel.writeFile(this.#paths.process, JSON.stringify(process), 0o600);
  }

  /** Arguments of the runtime. */
  args({ root }: RuntimeHandler, id: string): string[] {
    const { process, pid, log } = this.#paths;
    return ["--root", root, "--log", log, "--log-format", "json", "exec", "--process", process, "--pid-file", pid, id];
  }

  /** Arguments of a runtime that gives the command a terminal and hands its master over. */
  consoleArgs(handler: RuntimeHandler, id: string): string[] {
    const runtime = this.args(handler, id);
    runtime.splice(runtime.indexOf("exec") + 1, 0, "--console-socket", this.consoleSocket);
    return runtime;
  }

  /** Arguments of the program that has the runtime start the command and leave it, and ends as the command does. */
  attendArgs(handler: RuntimeHandler, id: string): string[] {
    const runtime = this.args(handler, id);
    runtime.splice(runtime.indexOf("exec") + 1, 0, "--detach");
    return [this.#paths.pid, handler.path, ...runtime];
  }

  /**
   * Arguments of a monitor that has the runtime start the command and leave it, with the monitor's own input and output,
   * and that ends as the command does. With the runtime alone there is runc between the command and its pipes: it copies
   * every byte, and stays for as long as any child that the command left behind holds one of them.
   */
  monitorArgs({ path, root }: RuntimeHandler, id: string): string[] {
    const { process, pid, log } = this.#paths;
    const runtime = ["--root", root, "--log", log, "--log-format", "json"].flatMap((arg) => ["--runtime-arg", arg]);
    return [
      ...["--exec", "--exec-process-spec", process, "--sync", "--log-path", "passthrough", "--log-level", "error"],
      ...["--cid", id, "--cuuid", id, "--name", id, "--runtime", path, "--container-pidfile", pid],
      ...runtime,
    ];
  }

  /** The command's pid, once the runtime has started it. */
  pid(): number | undefined {
    const pid = Number(unlessGone(() => this.kernel.readText(this.#paths.pid))?.trim());
    return Number.isInteger(pid) && pid > 1 ? pid : undefined;
  }

  /** The last error that the runtime itself has logged. */
  error(): string | undefined {
    return lastError(unlessGone(() => this.kernel.readText(this.#paths.log, LOG_LIMIT)) ?? "");
  }

  remove(): void {
    for (const path of Object.values(this.#paths)) this.kernel.unlinkIfExists(path);
  }
}

/** True for the error of a runtime whose container has ended. */
export function saysStopped(error: string): boolean {
  return /not running|does not exist|stopped/i.test(error);
}

/** Kills a command that was started by `runtime exec`: itself, its group, and all that descends from it. */
export function killCommand(kernel: Kernel, pid: number): void {
  // crun leaves the command in its own group, runc gives it one: the number is only known from the process.
  const group = processGroup(pid, kernel);
  killTree(kernel, pid);
  if (group !== undefined && group > 1 && group !== processGroup(kernel.getpid(), kernel)) killGroup(kernel, group);
}
