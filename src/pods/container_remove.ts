import type { Container } from "./catalog.ts";
import { releaseContainer } from "./container_release.ts";
import { type Context, emit } from "./context.ts";
import { stopContainer } from "./container_stop.ts";
import type { ContainerRecord } from "./types.ts";

const DEADLINE = 115_000;

/** All that is mounted for a container. */
function rootfsNames({ id, imageVolumes = [] }: ContainerRecord): string[] {
  return [id, ...imageVolumes.map((volume) => volume.id)];
}

/** Removes a container, killing it if it runs. Repeatable, and calls at the same time are one. */
export function removeContainer(context: Context, container: Container): Promise<void> {
  return container.removing ??= remove(context, container).catch((error) => {
    container.removing = undefined;
    throw error;
  });
}

async function remove(context: Context, container: Container): Promise<void> {
  const { record } = container;
  await context.jobs.run({
    kind: "remove-container",
    key: `remove:${record.id}`,
    hash: "",
    subject: container.config.metadata!.name,
    deadline: DEADLINE,
  }, async (job) => {
    job.report.objectId = record.id;
    await job.step("stop", () => stopContainer(context, container, 0));
    await job.programStep("runtime delete", () => releaseContainer(context, container));
    await job.step(
      "files",
      () =>
        Promise.all([
          ...rootfsNames(record).map((name) => context.images.unmountRootfs(name)),
          context.kernel.removeTree(record.bundle),
        ]),
    );
    context.store.deleteContainer(record.id);
    context.catalog.deleteContainer(container);
    emit(context, "deleted", record.id, record.sandboxId);
    context.statistics.forget(record.id);
  });
}
