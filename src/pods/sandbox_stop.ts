import { unpinOffThread } from "../network/mod.ts";
import type { Sandbox } from "./catalog.ts";
import { type Context, emit } from "./context.ts";
import { stopContainer } from "./container_stop.ts";
import { podNetwork } from "./sandbox_run.ts";
import { removeFromRuntime, unmount } from "./teardown.ts";

const DEADLINE = 115_000;

/**
 * Stops a pod: kills its containers, gives its address back, takes down its namespaces. Repeatable; a failed part is
 * tried again by the next call, and the pod stays READY to its owner until all of it is done.
 */
export function stopPodSandbox(context: Context, sandbox: Sandbox): Promise<void> {
  if (sandbox.record.state === "notready" && !holdsAnything(sandbox)) return Promise.resolve();
  return sandbox.stopping ??= stop(context, sandbox).finally(() => sandbox.stopping = undefined);
}

function holdsAnything({ record }: Sandbox): boolean {
  return Boolean(record.netns || record.ipcns || record.utsns || record.shm || record.pause);
}

async function stop(context: Context, sandbox: Sandbox): Promise<void> {
  const { record, config } = sandbox;
  const subject = `${config.metadata!.namespace}/${config.metadata!.name}`;
  await context.jobs.run(
    { kind: "stop-pod-sandbox", key: `stop:${record.id}`, hash: "", subject, deadline: DEADLINE },
    async (job) => {
      job.report.objectId = record.id;
      await job.step("containers", () =>
        Promise.all(
          context.catalog.containersOf(record.id).map((container) => stopContainer(context, container, 0)),
        ));
      if (record.netns) {
        await job.programStep("network", async () => {
          await context.network.del(podNetwork(record, config), record.attachment);
          sandbox.change({ attachment: undefined });
        });
      }
      if (record.pause) {
        const { pause } = record;
        await job.programStep("pause", async () => {
          await removeFromRuntime(context, {
            id: pause.id,
            handler: record.runtime,
            bundle: pause.bundle,
            placement: pause.placement,
            process: pause.process,
            monitor: pause.monitor,
          });
          await context.kernel.removeTree(pause.bundle);
          sandbox.change({ pause: undefined });
        });
      }
      await job.step("namespaces", async () => {
        const pins = [record.netns, record.ipcns, record.utsns, record.userns?.path].filter((path) =>
          path !== undefined
        );
        await Promise.all(pins.map((path) => unpinOffThread(context.kernel, path)));
        if (record.shm) await unmount(context, record.shm);
        sandbox.change({ state: "notready", netns: undefined, ipcns: undefined, utsns: undefined, shm: undefined });
        context.store.updateSandbox(sandbox.record);
        emit(context, "stopped", record.id, record.id);
      });
    },
  );
}
