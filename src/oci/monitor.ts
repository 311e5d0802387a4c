import type { Logger } from "../observe/types.ts";
import { Code, messageOf, RpcError } from "../rpc/status.ts";
import type { Kernel } from "../sys/kernel.ts";
import { ENOENT, Errno, ESRCH, isErrno, type Programs, SIGKILL, watchDirectory } from "../sys/mod.ts";
import { readCreated, startConmon, type StartedConmon } from "./conmon.ts";
import { ConmonControl } from "./conmon_control.ts";
import { MonitorFiles, prepareLog } from "./monitor_files.ts";
import { killTree } from "./process_tree.ts";
import { RUNTIME_ENV } from "./runtime_env.ts";
import type { CgroupDriver, Monitor, MonitorCreate } from "./types.ts";
import { unlessGone } from "./unless_gone.ts";

/** An event that the kernel has dropped makes an exit seen this much later (milliseconds). */
const RESCAN_INTERVAL = 5_000;
/** Without events: the kernel has only so many inotify instances for all programs of a user. */
const UNWATCHED_INTERVAL = 200;
/** Looks after which it is tried again. */
const UNWATCHED_LOOKS = 50;

/**
 * How long conmon may take to open a log again. On an error the kubelet moves the log back to its place, and a conmon that
 * is only late (its disk is slow) would then replace it by an empty one.
 */
const REOPEN_GRACE = 60_000;
const REOPEN_POLL = 2;
const REOPEN_POLL_MAX = 50;

/** Milliseconds until a killed process that does not end (its disk hangs) is left behind, and between looks. */
const END_GRACE = 10_000;
const END_POLL = 2;

const REOPEN_LOG = "2 0 0\n";

export interface ConmonMonitorOptions {
  kernel: Kernel;
  programs: Programs;
  cgroups: CgroupDriver;
  /** Folder for exit files, attach sockets and notes; must stay short, as a socket's path has 107 bytes. */
  stateFolder: string;
  logger?: Logger;
  watch?: typeof watchDirectory;
}

export class ConmonMonitor implements Monitor {
  readonly #kernel: Kernel;
  readonly #programs: Programs;
  readonly #cgroups: CgroupDriver;
  readonly #files: MonitorFiles;
  readonly #control: ConmonControl;
  readonly #logger: Logger | undefined;
  readonly #watch: typeof watchDirectory;

  constructor(
    { kernel, programs, cgroups, stateFolder, logger, watch = watchDirectory }: ConmonMonitorOptions,
  ) {
    this.#kernel = kernel;
    this.#programs = programs;
    this.#cgroups = cgroups;
    this.#files = new MonitorFiles(kernel, stateFolder);
    this.#control = new ConmonControl(kernel);
    this.#logger = logger;
    this.#watch = watch;
  }

  async create(request: MonitorCreate): Promise<{ pid: number; conmonPid: number }> {
    request.signal?.throwIfAborted();
    this.#files.prepare(request.id);
    if (request.logPath !== "") prepareLog(this.#kernel, request.logPath);
    const conmon = await startConmon(this.#kernel, this.#programs, this.#files, request);
    const onAbort = () => conmon.sync.close();
    request.signal?.addEventListener("abort", onAbort);
    try {
      // Before it starts anything: it must be neither in our cgroup nor ever in the pod's.
      // One that has ended already says why below, when its pipe ends.
      await this.#cgroups.attach(request.conmonCgroup, conmon.child.pid, `conmon-${request.id}`).catch((error) => {
        if (!isErrno(error, ESRCH)) throw error;
      });
      // A conmon that has ended already says why below, when its other pipe ends.
      await conmon.start.write(new Uint8Array(1)).catch(() => {});
      conmon.start.close();
      const pid = await readCreated(this.#kernel, conmon.sync, request);
      return { pid, conmonPid: this.#conmonPid(request) ?? conmon.child.pid };
    } catch (error) {
      await this.#undo(request, conmon);
      request.signal?.throwIfAborted();
      throw error;
    } finally {
      request.signal?.removeEventListener("abort", onAbort);
      conmon.start.close();
      conmon.sync.close();
    }
  }

  exit(id: string): { code: number; finishedAt: bigint; oomKilled: boolean } | undefined {
    return this.#files.exit(id);
  }

  watch(onExit: (id: string) => void): AsyncDisposable {
    const seen = new Set<string>();
    this.#kernel.mkdirs(this.#files.exits, 0o700);
    const scan = () => {
      const ended = new Set(this.#files.ended());
      for (const id of seen) if (!ended.has(id)) seen.delete(id);
      for (const id of ended) {
        if (seen.has(id)) continue;
        seen.add(id);
        onExit(id);
      }
    };
    const report = (error: unknown) =>
      this.#logger?.error("looking for ended containers failed", { error: messageOf(error) });
    const safely = () => {
      try {
        scan();
      } catch (error) {
        report(error);
      }
    };
    let watcher: AsyncDisposable | undefined;
    let looks = 0;
    let timer: number | undefined;
    const look = () => {
      if (!watcher && looks % UNWATCHED_LOOKS === 0) watcher = this.#watchExits(safely, report);
      looks++;
      timer = setTimeout(look, watcher ? RESCAN_INTERVAL : UNWATCHED_INTERVAL);
      safely();
    };
    look();
    return {
      async [Symbol.asyncDispose]() {
        clearTimeout(timer);
        await watcher?.[Symbol.asyncDispose]();
      },
    };
  }

  #watchExits(onChange: () => void, onError: (error: unknown) => void): AsyncDisposable | undefined {
    try {
      return this.#watch(this.#kernel, this.#files.exits, onChange, onError);
    } catch (error) {
      this.#logger?.warn(
        `ended containers are looked for every ${UNWATCHED_INTERVAL} ms: their folder cannot be watched; raise the limit that the error names`,
        { error: messageOf(error) },
      );
      return undefined;
    }
  }

  async reopenLog(bundle: string, logPath?: string): Promise<void> {
    if (logPath === undefined) return await this.#control.send(bundle, REOPEN_LOG);
    const before = this.#identity(logPath);
    // Nobody has moved it, or this is a retry: conmon would replace it by an empty one.
    if (before !== undefined && this.#hasOpen(bundle, before)) return;
    await this.#control.send(bundle, REOPEN_LOG);
    const deadline = Date.now() + REOPEN_GRACE;
    for (let pause = REOPEN_POLL;; pause = Math.min(pause * 2, REOPEN_POLL_MAX)) {
      const now = this.#identity(logPath);
      if (now !== undefined && now !== before) return;
      if (Date.now() > deadline) {
        throw new RpcError(
          Code.DEADLINE_EXCEEDED,
          `log ${logPath}: conmon has not opened it again within ${REOPEN_GRACE / 1000} s`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }

  /** Which file is at this path; undefined: none. */
  #identity(path: string): string | undefined {
    return unlessGone(() => {
      const { dev, ino } = this.#kernel.stat(path);
      return `${dev}:${ino}`;
    });
  }

  #hasOpen(bundle: string, file: string): boolean {
    const descriptors = `/proc/${this.#conmonPid({ bundle })}/fd`;
    const names = unlessGone(() => this.#kernel.readDirectory(descriptors)) ?? [];
    return names.some(({ name }) => this.#identity(`${descriptors}/${name}`) === file);
  }

  resizeTerminal(bundle: string, rows: number, columns: number): Promise<void> {
    return this.#control.send(bundle, `1 ${rows} ${columns}\n`);
  }

  async forget(id: string): Promise<void> {
    await this.#files.forget(id);
  }

  #conmonPid({ bundle }: Pick<MonitorCreate, "bundle">): number | undefined {
    try {
      return Number(this.#kernel.readText(`${bundle}/conmon-pidfile`).trim()) || undefined;
    } catch (error) {
      if (error instanceof Errno && error.code === ENOENT) return undefined;
      throw error;
    }
  }

  /** Ends conmon and the runtime that it runs, then has the runtime take down what there is of the container. */
  async #undo(request: MonitorCreate, conmon: StartedConmon): Promise<void> {
    const { handler, id } = request;
    await this.#end(request, conmon.child.pid);
    conmon.child.kill(SIGKILL);
    const { code, stderr } = await this.#programs.run(handler.path, ["--root", handler.root, "delete", "--force", id], {
      env: RUNTIME_ENV,
      timeout: 30_000,
    });
    const text = new TextDecoder().decode(stderr).trim();
    if (code !== 0 && !/does not exist|No such file/.test(text)) {
      this.#logger?.warn("the rest of a failed container could not be deleted", { container: id, error: text });
    }
    await this.#files.forget(id);
  }

  /**
   * Kills conmon and the runtime that it runs, and waits for their end: until then they may still make cgroups. conmon
   * forks as it starts, and the runtime does, too: what a first look misses is found in their cgroup by the id.
   */
  async #end(request: MonitorCreate, started: number): Promise<void> {
    const deadline = Date.now() + END_GRACE;
    for (;;) {
      const seen = [started, this.#conmonPid(request), ...this.#cgroups.processes(request.conmonCgroup)];
      const found = seen.filter((pid) => pid !== undefined && this.#names(pid, request.id)) as number[];
      if (found.length === 0) return;
      if (Date.now() > deadline) {
        this.#logger?.warn("processes of a failed container outlive SIGKILL", { container: request.id, pids: found });
        return;
      }
      for (const pid of found) killTree(this.#kernel, pid);
      await new Promise((resolve) => setTimeout(resolve, END_POLL));
    }
  }

  /** A pid may be another's by now: conmon and its runtime have the container's id among their arguments. */
  #names(pid: number, id: string): boolean {
    const text = unlessGone(() => this.#kernel.readText(`/proc/${pid}/cmdline`)) ?? "";
    return text.split("\0").includes(id);
  }
}
