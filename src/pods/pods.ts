import pLimit from "p-limit";
import type {
  CreateContainerRequest,
  LinuxContainerResources,
  RunPodSandboxRequest,
} from "../../proto/gen/runtime/v1/api.ts";
import type { ExecResult } from "../oci/mod.ts";
import type { MetricsReader, UsageReader } from "../stats/mod.ts";
import { Code, RpcError } from "../rpc/status.ts";
import type { AttachTarget, ExecTarget, PortForwardTarget } from "../streaming/mod.ts";
import { Catalog, type Container, type Sandbox } from "./catalog.ts";
import { createContainer } from "./container_create.ts";
import { removeContainer } from "./container_remove.ts";
import { startContainer } from "./container_start.ts";
import { stopContainer } from "./container_stop.ts";
import { updateContainerResources } from "./container_update.ts";
import type { Context } from "./context.ts";
import { type EventKind, Events, type PodEvent } from "./events.ts";
import { attachTarget, execSync, execTarget, portForwardTarget } from "./exec.ts";
import { noteExit, noteLost } from "./exit.ts";
import { type JobReport, Jobs } from "./jobs.ts";
import { mend, recover } from "./recover.ts";
import { removePodSandbox } from "./sandbox_remove.ts";
import { runPodSandbox } from "./sandbox_run.ts";
import { stopPodSandbox } from "./sandbox_stop.ts";
import { Statistics } from "./statistics.ts";
import { undoers } from "./teardown.ts";

/** Ended containers that are taken out of the runtime at the same time. */
const RELEASES_AT_ONCE = 8;

/** Between looks for containers whose monitor died without a word. */
const LOST_INTERVAL = 5_000;

/** Milliseconds for running jobs to be undone before the process ends. */
const JOBS_GRACE = 3_000;

export type PodsOptions = Omit<Context, "catalog" | "jobs" | "statistics" | "events" | "limitRuntime"> & {
  usage: UsageReader;
  metrics: MetricsReader;
};

/** Pods and containers: everything that cri/ and admin/ ask of the domain. */
export class Pods implements AsyncDisposable {
  readonly catalog = new Catalog();
  readonly statistics: Statistics;
  readonly #events = new Events();
  readonly #context: Context;
  #watch?: AsyncDisposable;
  #mending?: Promise<void>;
  #timer?: ReturnType<typeof setInterval>;

  constructor(options: PodsOptions) {
    this.statistics = new Statistics(options.usage, options.metrics, options.images, options.cgroups);
    const context = {
      ...options,
      catalog: this.catalog,
      statistics: this.statistics,
      events: this.#events,
      limitRuntime: pLimit(RELEASES_AT_ONCE),
    };
    const jobs = new Jobs({
      store: options.store,
      undoers: undoers(context),
      logger: options.logger,
      keep: options.config.keepJobs,
    });
    this.#context = { ...context, jobs };
  }

  /** Recovers what an earlier process left, then follows exits. */
  async start(): Promise<void> {
    const context = this.#context;
    await recover(context);
    this.#mending = mend(context).catch((error) => context.logger.error("mending after a start failed", { error }));
    this.#watch = context.monitor.watch((id) => {
      const container = this.catalog.containers.get(id);
      if (container && container.record.state === "running") noteExit(context, container);
    });
    this.#timer = setInterval(() => {
      for (const container of this.catalog.containers.values()) {
        if (container.record.state === "running") noteLost(context, container);
      }
    }, LOST_INTERVAL);
  }

  runPodSandbox(request: RunPodSandboxRequest): Promise<string> {
    return runPodSandbox(this.#context, request);
  }
  /** Unknown: nothing to do, as the CRI says. */
  async stopPodSandbox(id: string): Promise<void> {
    const sandbox = this.catalog.findSandbox(id);
    if (sandbox) await stopPodSandbox(this.#context, sandbox);
  }
  async removePodSandbox(id: string): Promise<void> {
    const sandbox = this.catalog.findSandbox(id);
    if (sandbox) await removePodSandbox(this.#context, sandbox);
  }
  createContainer(request: CreateContainerRequest): Promise<string> {
    return createContainer(this.#context, request);
  }
  startContainer(id: string): Promise<void> {
    return startContainer(this.#context, id);
  }
  /** `timeout` in seconds. */
  async stopContainer(id: string, timeout: number): Promise<void> {
    const container = this.catalog.findContainer(id);
    if (container) await stopContainer(this.#context, container, timeout);
  }
  async removeContainer(id: string): Promise<void> {
    const container = this.catalog.findContainer(id);
    if (container) await removeContainer(this.#context, container);
  }
  updateContainerResources(id: string, resources: LinuxContainerResources): Promise<void> {
    return updateContainerResources(this.#context, id, resources);
  }
  execSync(id: string, command: string[], timeout: number): Promise<ExecResult> {
    return execSync(this.#context, id, command, timeout);
  }
  /** For the streaming server, which asks when the client connects. RpcError NOT_FOUND, FAILED_PRECONDITION. */
  execTarget(id: string, command: string[], tty: boolean): ExecTarget {
    return execTarget(this.#context, id, command, tty);
  }
  attachTarget(id: string): AttachTarget {
    return attachTarget(this.#context, id);
  }
  portForwardTarget(id: string): PortForwardTarget {
    return portForwardTarget(this.#context, id);
  }
  /** After the kubelet has moved the log file away: there is a new one when this returns. */
  async reopenLog(id: string): Promise<void> {
    const container = this.catalog.container(id);
    if (container.record.state !== "running") {
      throw new RpcError(
        Code.FAILED_PRECONDITION,
        `container ${container.id}: is ${container.record.state}, so its log is not written any more`,
      );
    }
    const { bundle, logPath } = container.record;
    await this.#context.monitor.reopenLog(bundle, logPath === "" ? undefined : logPath);
  }

  /** Containers whose root file system, or a volume, is made of this image. */
  usersOf(imageId: string): string[] {
    return [...this.catalog.containers.values()]
      .filter(({ record }) =>
        record.imageId === imageId || record.imageVolumes?.some((volume) => volume.imageId === imageId)
      )
      .map(({ id }) => id);
  }
  /** To be called before the server waits for its calls: these never end by themselves. */
  endEvents(): void {
    this.#events.close();
  }
  /** What there is, then what happens. Ends with the signal. */
  events(signal: AbortSignal): AsyncGenerator<PodEvent> {
    return this.#events.subscribe(this.#snapshot(), signal);
  }
  *#snapshot(): Generator<PodEvent> {
    for (const sandbox of this.catalog.sandboxes.values()) {
      const { id, state, createdAt } = sandbox.record;
      // When it stopped is not kept; before its containers is early enough.
      yield { kind: state === "ready" ? "started" : "stopped", id, sandboxId: id, at: BigInt(createdAt), sandbox };
    }
    const kinds: Record<string, EventKind> = { created: "created", running: "started", exited: "stopped" };
    for (const { record } of this.catalog.containers.values()) {
      yield {
        kind: kinds[record.state],
        id: record.id,
        sandboxId: record.sandboxId,
        at: BigInt(record.finishedAt || record.startedAt || record.createdAt),
        sandbox: this.catalog.sandboxes.get(record.sandboxId),
      };
    }
  }
  /** Lists work of other parts among the jobs; `enter` names the step that begins. */
  track<T>(kind: string, subject: string, body: (enter: (step: string) => void) => Promise<T>): Promise<T> {
    return this.#context.jobs.track(kind, subject, (job) => body((step) => job.enter(step)));
  }
  jobs(): JobReport[] {
    return this.#context.jobs.list();
  }
  /** Jobs that have ended since the start. */
  get jobsEnded(): number {
    return this.#context.jobs.endedCount;
  }
  get jobsRunning(): number {
    return this.#context.jobs.runningCount;
  }
  sandboxes(): Iterable<Sandbox> {
    return this.catalog.sandboxes.values();
  }
  containers(): Iterable<Container> {
    return this.catalog.containers.values();
  }

  /** Waits for running jobs; containers go on without us. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#mending;
    await this.#context.jobs.stop(JOBS_GRACE);
    await this.#watch?.[Symbol.asyncDispose]();
  }
}
