import { AdminServiceDefinition } from "../proto/gen/skiff/v1/admin.ts";
import { ImageServiceDefinition, RuntimeServiceDefinition } from "../proto/gen/runtime/v1/api.ts";
import { adminService } from "./admin/mod.ts";
import { type Config, printConfig } from "./config/mod.ts";
import { imageService } from "./cri/image/mod.ts";
import { runtimeService } from "./cri/runtime/mod.ts";
import { FolderImport, ImageService } from "./images/mod.ts";
import { CniNetwork, prepareNetnsFolder } from "./network/mod.ts";
import {
  CommandLineRuntime,
  ConmonMonitor,
  createCgroupDriver,
  makeOwnCgroups,
  probeNode,
  type RuntimeHandler,
} from "./oci/mod.ts";
import { createMetrics, type Logger, noMetrics, serveMetrics } from "./observe/mod.ts";
import { Pods, Store } from "./pods/mod.ts";
import { Server } from "./rpc/mod.ts";
import { CgroupUsageReader, MetricsReader } from "./stats/mod.ts";
import { StreamingServer } from "./streaming/mod.ts";
import {
  bootId,
  favourThisThread,
  keepExecutable,
  kernel,
  limitHeaps,
  lockFile,
  programs,
  readKeyPair,
  releaseMemory,
  selfCommand,
  watchDirectory,
} from "./sys/mod.ts";

export interface DaemonOptions {
  logger: Logger;
  version: string;
}

/** Milliseconds, altogether and between two looks, for the lock of a daemon that was killed. */
const LOCK_PATIENCE = 2_000;
const LOCK_PAUSE = 20;

/** Milliseconds that running calls get to end when the daemon stops; containers go on in any case. */
const STOP_GRACE = 3_000;

/** Puts the house together and serves it. Resolves once the socket answers; `stop` leaves containers running. */
export async function startDaemon(
  config: Config,
  { logger, version }: DaemonOptions,
): Promise<{ stop(): Promise<void> }> {
  await using stack = new AsyncDisposableStack();
  const boot = bootId();
  for (const folder of [config.root, config.state]) kernel.mkdirs(folder, 0o700);
  stack.use(await holdLock(config.root));
  stack.use(keepExecutable(kernel, config.root));
  favour(logger);
  limitHeaps();
  prepareNetnsFolder(kernel, "/run/netns");

  const store = new Store({ path: `${config.root}/store.db`, kernel, bootId: boot, checkpoint: checkpointIn(logger) });
  stack.defer(() => store.close());
  const node = probeNode(kernel);
  const cgroups = createCgroupDriver(kernel, {
    driver: config.cgroupDriver,
    defaultParent: config.defaultCgroupParent,
  });
  const { monitors: monitorCgroup, pulls } = await makeOwnCgroups(kernel, cgroups, config.monitorCgroup, stack);
  if (config.cgroupDriver === "cgroupfs" && kernel.exists("/run/systemd/system")) {
    logger.info(
      "systemd is process 1 of this machine, and two now manage its cgroups; with cgroupDriver: systemd, here and for " +
        "the kubelet, one does",
    );
  }

  const images = new ImageService({
    config,
    kernel,
    programs,
    table: store,
    logger: logger.with({ part: "images" }),
    setAside: (pid) => pulls.attach(pid),
    openTable: (path) => new Store({ path, kernel, bootId: boot }),
  });
  await images.start();
  stack.use(images);
  if (config.images.importDir !== "") {
    const notes = `${config.root}/imported.json`;
    const log = logger.with({ part: "import" });
    stack.use(new FolderImport({ kernel, logger: log, images, folder: config.images.importDir, notes }));
  }
  const network = new CniNetwork({
    config: config.cni,
    kernel,
    programs,
    logger: logger.with({ part: "network" }),
    watch: (path, onChange) => watchDirectory(kernel, path, onChange),
  });
  network.start();
  stack.use(network);
  const runtime = new CommandLineRuntime({ kernel, programs, stateFolder: config.state });
  const monitor = new ConmonMonitor({
    kernel,
    programs,
    cgroups,
    stateFolder: config.state,
    logger: logger.with({ part: "monitor" }),
  });
  const handlers = new Map(
    Object.entries(config.runtimes).map((
      [name, { path, root }],
    ): [string, RuntimeHandler] => [name, {
      name,
      path,
      root,
      conmon: config.conmon,
      cgroupDriver: config.cgroupDriver,
    }]),
  );

  const pods = new Pods({
    config,
    kernel,
    store,
    images,
    network,
    runtime,
    monitor,
    cgroups,
    node,
    usage: new CgroupUsageReader(kernel),
    metrics: new MetricsReader(kernel),
    logger: logger.with({ part: "pods" }),
    bootId: boot,
    monitorCgroup,
    handlers,
  });
  await pods.start();
  stack.use(pods);

  stack.use(releaseMemoryWhenIdle(pods));

  const metrics = config.metricsListen === ""
    ? noMetrics
    : await startMetrics(config.metricsListen, pods, stack, logger);
  const streaming = new StreamingServer({
    kernel,
    logger: logger.with({ part: "streaming" }),
    address: config.streaming.address,
    port: config.streaming.port,
    tls: readKeyPair(kernel, config.streaming),
    idleTimeout: config.streaming.idleTimeoutSeconds * 1_000,
  });
  stack.use(streaming);
  // A port or a certificate that is no good is known now, and not at the first exec.
  if (config.streaming.port !== 0 || config.streaming.tlsCertFile !== "") streaming.start();
  const server = new Server({
    services: [
      {
        definition: RuntimeServiceDefinition,
        handlers: runtimeService({
          version,
          config,
          pods,
          images,
          network,
          runtime,
          streaming,
          handlers,
          node,
          facts: async () => ({
            node: { ...node, controllers: [...node.controllers] },
            boot,
            memory: Deno.memoryUsage(),
          }),
        }),
      },
      {
        definition: ImageServiceDefinition,
        handlers: imageService({
          images,
          config,
          inUse: (id) => pods.usersOf(id),
          track: (kind, subject, body) => pods.track(kind, subject, body),
        }),
      },
      {
        definition: AdminServiceDefinition,
        handlers: adminService({ pods, images, configText: () => printConfig(config) }),
      },
    ],
    maxMessageBytes: config.maxMessageBytes,
    logger: logger.with({ part: "rpc" }),
    onCall: (method, code, milliseconds) => metrics.operation(method, code, milliseconds / 1000),
  });
  await server.listen(config.socket, { mode: 0o660 });
  stack.defer(() => server.stop(STOP_GRACE));
  stack.defer(() => pods.endEvents());
  const stopping = stack.move();
  return { stop: () => stopping.disposeAsync() };
}

/**
 * The one thread that answers must not wait in line behind the runtimes that it has started: on a node that starts ten pods
 * at once they want all processors, and it needs little. See sched_setattr(2).
 */
const NICE = -20;

function favour(logger: Logger): void {
  try {
    favourThisThread(NICE);
  } catch (error) {
    logger.info("the daemon runs at everybody's priority; calls wait while many pods start", { error });
  }
}

/** Between looks whether work has come to rest. */
const IDLE_INTERVAL = 700;
/** V8 gives back the room for new objects only at the second collection that finds it empty. */
const RELEASES = 2;

/** After a burst of work the heap stays as large as it was at its worst: given back once no job has run for a while. */
function releaseMemoryWhenIdle(pods: Pods): Disposable {
  // The start is the first burst.
  let due = RELEASES;
  let last = 0;
  const timer = setInterval(() => {
    const ended = pods.jobsEnded;
    const idle = ended === last && pods.jobsRunning === 0;
    if (ended !== last) due = RELEASES;
    last = ended;
    if (!idle || due === 0) return;
    due--;
    releaseMemory();
  }, IDLE_INTERVAL);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/**
 * The store has one writer: the lock goes with the process, however it ends. What that process was about to start has it a
 * little longer, until it is a program of its own.
 */
async function holdLock(root: string): Promise<Disposable> {
  for (const deadline = performance.now() + LOCK_PATIENCE; performance.now() < deadline;) {
    const lock = lockFile(kernel, `${root}/lock`);
    if (lock) return lock;
    await new Promise((resolve) => setTimeout(resolve, LOCK_PAUSE));
  }
  throw new Error(
    `${root}/lock is held: another skiff serves from this root folder; stop it, or give this one a \`root\` of its own`,
  );
}

function checkpointIn(logger: Logger): (path: string) => Promise<void> {
  return async (path) => {
    const [program, ...args] = selfCommand("__checkpoint");
    const { code, stderr } = await programs.run(program, [...args, path], { timeout: 60_000 });
    if (code !== 0) {
      logger.warn("the store's write-ahead log could not be folded in; it grows on", {
        error: new TextDecoder().decode(stderr),
      });
    }
  };
}

async function startMetrics(listen: string, pods: Pods, stack: AsyncDisposableStack, logger: Logger) {
  const metrics = await createMetrics({
    containers: () => {
      const counts: Record<string, number> = { created: 0, running: 0, exited: 0 };
      for (const { record } of pods.containers()) counts[record.state]++;
      return counts;
    },
    jobsRunning: () => pods.jobsRunning,
    openFiles: () => kernel.readDirectory("/proc/self/fd").length,
  });
  stack.use(serveMetrics(listen, metrics, logger));
  return metrics;
}
