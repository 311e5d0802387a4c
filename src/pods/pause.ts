import type { PodSandboxConfig } from "../../proto/gen/runtime/v1/api.ts";
import { buildPauseSpec } from "../oci/mod.ts";
import { pauseProgram } from "../sys/mod.ts";
import { type Context, identify } from "./context.ts";
import type { Job } from "./jobs.ts";
import type { SandboxRecord } from "./types.ts";
import { open } from "./user_namespace.ts";

/** Starts the process that holds the pod's shared pid namespace: pid 1 in it, and it reaps what is left behind. */
export async function startPause(
  context: Context,
  job: Job,
  record: SandboxRecord,
  config: PodSandboxConfig,
): Promise<void> {
  const { kernel } = context;
  const id = `${record.id}-pause`;
  const bundle = `${record.folder}/pause`;
  const root = `${bundle}/rootfs`;
  const placement = context.cgroups.place(record.cgroupParent, id);
  kernel.mkdirs(bundle, 0o700);
  // The runtime makes nothing in a root that belongs to somebody else.
  for (const made of [root, `${root}/proc`, `${root}/dev`]) kernel.mkdirs(made, 0o755);
  if (record.userns) open(kernel, bundle, record.userns.gids.hostID);
  kernel.writeFile(`${root}/pause`, pauseProgram(), 0o755);
  const spec = buildPauseSpec({
    id,
    config,
    hostname: record.hostname,
    root,
    placement,
    node: context.node,
    netns: record.netns,
    ipcns: record.ipcns,
    utsns: record.utsns,
    userns: record.userns,
    sysctls: record.sysctls,
  });
  kernel.writeFile(`${bundle}/config.json`, JSON.stringify(spec), 0o600);
  job.undo("cgroup", { placement });
  job.undo("container", { id, handler: record.runtime, bundle, placement });
  const created = await context.monitor.create({
    handler: record.runtime,
    id,
    bundle,
    logPath: "",
    terminal: false,
    stdin: false,
    leaveStdinOpen: false,
    conmonCgroup: context.monitorCgroup,
    signal: job.signal,
  });
  await context.runtime.start(record.runtime, id);
  record.pause = {
    id,
    bundle,
    placement,
    process: identify(created.pid, id),
    monitor: identify(created.conmonPid, id),
  };
}
