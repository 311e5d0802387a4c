/** A runtime's daemon as a test sees it: skiff or the peer it is compared with. */
import { connect, type CriClient } from "./client.ts";
import { killCgroup } from "./cgroups.ts";
import { waitUntil } from "./command.ts";
import type { TestNode } from "./node.ts";

export interface DaemonCommand {
  program: string;
  args: string[];
  env?: Record<string, string>;
}

/** As the unit file of docs/systemd.md has it. */
const SERVICE_CPU_WEIGHT = 1000;

export abstract class Daemon implements AsyncDisposable {
  abstract readonly kind: "skiff" | "containerd" | "cri-o";
  abstract readonly socket: string;
  #client?: CriClient;
  #child?: Deno.ChildProcess;
  #died?: number;
  protected constructor(readonly node: TestNode, readonly title: string) {}

  protected abstract command(): DaemonCommand;

  get logFile(): string {
    return `${this.node.dir}/${this.title}.log`;
  }

  /** The cgroup that stands for the daemon's systemd service. */
  get cgroup(): string {
    return `${this.title}`;
  }

  get client(): CriClient {
    return this.#client ??= connect(this.socket);
  }

  get pid(): number {
    if (!this.#child) throw new Error(`${this.title} does not run`);
    return this.#child.pid;
  }

  get runs(): boolean {
    return this.#child !== undefined && this.#died === undefined;
  }

  /** Exit code (128 + signal) of a daemon that ended though nobody here asked it to. */
  get died(): number | undefined {
    return this.#died;
  }

  /** Starts the daemon and returns the milliseconds until Version was answered. */
  async start(timeout = 20_000): Promise<number> {
    const { program, args, env } = this.command();
    const began = performance.now();
    const child = this.node.holder.spawn(program, args, {
      cgroup: this.cgroup,
      log: this.logFile,
      env,
      cpuWeight: SERVICE_CPU_WEIGHT,
    });
    this.#child = child;
    this.#died = undefined;
    this.node.daemons.add(child.pid);
    child.status.then(({ code }) => {
      this.node.daemons.delete(child.pid);
      if (this.#child === child) this.#died = code;
    });
    try {
      await waitUntil(
        `${this.title} answers`,
        async () => {
          if (this.#died !== undefined) throw new Error(`${this.title} ended with ${this.#died} instead of serving`);
          // A client that was refused once takes its time before it tries again.
          if (!await accepts(this.socket)) return undefined;
          return await this.client.version({}, { timeout: 5_000 }).catch(() => undefined);
        },
        timeout,
        5,
      );
    } catch (error) {
      await this.kill9();
      throw new Error(`${(error as Error).message}; its log ends with:\n${this.log().slice(-3000)}`, { cause: error });
    }
    return performance.now() - began;
  }

  /** SIGTERM, and up to ten seconds. Containers go on. Returns the exit code. */
  async stop(): Promise<number> {
    const child = this.#child;
    if (!child) return 0;
    this.#child = undefined;
    child.kill("SIGTERM");
    const ended = await Promise.race([child.status, new Promise<undefined>((resolve) => setTimeout(resolve, 10_000))]);
    if (!ended) {
      child.kill("SIGKILL");
      await child.status;
      this.gone();
      throw new Error(
        `${this.title} did not end within 10 s of SIGTERM; its log ends with:\n${this.log().slice(-2000)}`,
      );
    }
    this.gone();
    return ended.code;
  }

  /** SIGKILL to the daemon alone. */
  async kill9(): Promise<void> {
    const child = this.#child;
    if (!child) return;
    this.#child = undefined;
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await child.status;
    this.gone();
  }

  /** SIGKILL to everything in the daemon's cgroup: what systemd does to a service that it gives up on. */
  async killCgroup(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    await killCgroup(`/${this.node.name}/${this.cgroup}`);
    await child?.status;
    this.gone();
  }

  async restart(): Promise<number> {
    await this.stop();
    return await this.start();
  }

  /** What the daemon wrote so far. */
  log(): string {
    try {
      return Deno.readTextFileSync(this.logFile);
    } catch {
      return "";
    }
  }

  /** Resident set of the daemon in MB. */
  rss(): number {
    const line = Deno.readTextFileSync(`/proc/${this.pid}/status`).match(/VmRSS:\s+(\d+) kB/);
    return Number(line?.[1] ?? NaN) / 1024;
  }

  /** Forgets the connection to one that has ended. */
  protected gone(): void {
    this.#died = undefined;
    this.#client?.[Symbol.dispose]();
    this.#client = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill9();
  }
}

async function accepts(path: string): Promise<boolean> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
    return true;
  } catch {
    return false;
  }
}
