import type { Sandbox } from "./catalog.ts";
import { type Context, emit } from "./context.ts";
import { removeContainer } from "./container_remove.ts";
import { removePodCgroup } from "./pod_cgroup.ts";
import { stopPodSandbox } from "./sandbox_stop.ts";
import { dismissPod } from "./user_namespace.ts";

const DEADLINE = 115_000;

/** Removes a pod with all its containers, stopping it first. Repeatable, and calls at the same time are one. */
export function removePodSandbox(context: Context, sandbox: Sandbox): Promise<void> {
  return sandbox.removing ??= remove(context, sandbox).catch((error) => {
    sandbox.removing = undefined;
    throw error;
  });
}

async function remove(context: Context, sandbox: Sandbox): Promise<void> {
  const { record, config } = sandbox;
  const subject = `${config.metadata!.namespace}/${config.metadata!.name}`;
  await context.jobs.run({
    kind: "remove-pod-sandbox",
    key: `remove:${record.id}`,
    hash: "",
    subject,
    deadline: DEADLINE,
  }, async (job) => {
    job.report.objectId = record.id;
    await job.step("stop", () => stopPodSandbox(context, sandbox));
    await job.step(
      "containers",
      () =>
        Promise.all(context.catalog.containersOf(record.id).map((container) => removeContainer(context, container))),
    );
    await job.step("folder", () => context.kernel.removeTree(record.folder));
    if (record.userns) dismissPod(context, { gid: record.userns.gids.hostID, sandboxId: record.id });
    await removePodCgroup(context, record);
    context.store.deleteSandbox(record.id);
    emit(context, "deleted", record.id, record.id);
    context.catalog.deleteSandbox(sandbox);
    context.statistics.forget(record.id);
  });
}
