import { unpinOffThread } from "../network/mod.ts";
import type { NetworkAttachment, PodNetwork } from "../network/types.ts";
import type { CgroupPlacement, RuntimeHandler } from "../oci/types.ts";
import { Errno } from "../sys/kernel.ts";
import {
  EINVAL,
  ENOENT,
  isAlive,
  MNT_DETACH,
  processEnd,
  type ProcessIdentity,
  processIdentity,
  SIGKILL,
  signalProcess,
} from "../sys/mod.ts";
import type { Context } from "./context.ts";
import type { Undoer } from "./jobs.ts";
import { undoPodCgroup } from "./pod_cgroup.ts";
import { type Admission, dismissPod } from "./user_namespace.ts";

/** A container as the OCI runtime and the monitor know it: enough to take it down, whatever became of it. */
export interface RuntimeContainer {
  id: string;
  handler: RuntimeHandler;
  bundle: string;
  placement: CgroupPlacement;
  /** Known once it was created. */
  process?: ProcessIdentity;
  /** Known once it was created; else it is looked for. */
  monitor?: ProcessIdentity;
}

/** How long a monitor may take to write its exit file and leave, once its container is gone. */
const MONITOR_GRACE = 2_000;
const KILL_GRACE = 2_000;

/** Every kind of thing that a job makes and that outlives the process. All repeatable. */
export function undoers(context: Omit<Context, "jobs">): Record<string, Undoer> {
  return {
    folder: ({ path }: { path: string }) => context.kernel.removeTree(path),
    namespace: ({ path }: { path: string }) => unpinOffThread(context.kernel, path),
    mount: ({ path }: { path: string }) => unmount(context, path),
    rootfs: ({ id }: { id: string }) => context.images.unmountRootfs(id),
    admission: (admission: Admission) => dismissPod(context, admission),
    network: ({ pod, attachment }: { pod: PodNetwork; attachment?: NetworkAttachment }) =>
      context.network.del(pod, attachment),
    "empty-cgroup": ({ path }: { path: string }) => undoPodCgroup(context, path),
    cgroup: ({ placement }: { placement: CgroupPlacement }) => context.cgroups.remove(placement),
    container: (container: RuntimeContainer) => removeFromRuntime(context, container),
  };
}

/** Unmounts, and tolerates that nothing is mounted there. */
export async function unmount(context: Pick<Context, "kernel">, path: string): Promise<void> {
  try {
    await context.kernel.umount(path, MNT_DETACH);
  } catch (error) {
    if (!(error instanceof Errno && (error.code === EINVAL || error.code === ENOENT))) throw error;
  }
}

/** Kills the container if it runs, deletes it from the runtime, and sees its monitor off. */
export async function removeFromRuntime(
  context: Pick<Context, "kernel" | "runtime" | "cgroups" | "monitor" | "logger">,
  container: RuntimeContainer,
): Promise<void> {
  if (container.process) await killProcess(container.process);
  await context.runtime.delete(container.handler, container.id);
  await context.cgroups.remove(container.placement);
  const monitors = container.monitor ? [container.monitor] : findMonitors(context, container);
  const deadline = Date.now() + MONITOR_GRACE;
  for (const monitor of monitors) {
    while (isAlive(monitor) && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    if (!isAlive(monitor)) continue;
    context.logger.warn("a monitor outlived its container and is killed", {
      container: container.id,
      pid: monitor.pid,
    });
    context.kernel.kill(monitor.pid, SIGKILL);
  }
  await context.monitor.forget(container.id);
}

/** `runc delete --force` looks only every 100 ms whether what it killed is gone. */
async function killProcess(process: ProcessIdentity): Promise<void> {
  if (!signalProcess(process, SIGKILL)) return;
  // Not gone by then: the runtime tries in its own way, and says what is wrong.
  await processEnd(process, AbortSignal.timeout(KILL_GRACE)).catch(() => {});
}

/** After a crash nobody may have noted the monitor's pid: found by its pid file, or by its command line. */
function findMonitors(context: Pick<Context, "kernel">, container: RuntimeContainer): ProcessIdentity[] {
  const { kernel } = context;
  const pids = kernel.readDirectory("/proc").map(({ name }) => Number(name)).filter(Number.isInteger);
  return pids.filter((pid) => {
    try {
      const words = kernel.readText(`/proc/${pid}/cmdline`).split("\0");
      return words.includes(container.bundle) && words.includes(container.id);
    } catch {
      // It ended while we looked.
      return false;
    }
  }).flatMap((pid) => processIdentity(pid) ?? []);
}
