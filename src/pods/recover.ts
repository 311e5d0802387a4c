import { Container, Sandbox } from "./catalog.ts";
import { releaseInBackground } from "./container_release.ts";
import type { Context } from "./context.ts";
import { noteExit, noteLost, noteReboot } from "./exit.ts";
import { stopPodSandbox } from "./sandbox_stop.ts";

/**
 * Brings memory in line with the store and the kernel when the daemon starts: what has ended meanwhile gets its true exit
 * code, and what another boot has taken away is noted as gone. Reads can be answered then; {@link mend} does the rest.
 */
export async function recover(context: Context): Promise<void> {
  const { store, catalog, logger } = context;
  for (const { record, config } of store.sandboxes()) catalog.addSandbox(new Sandbox(record, config));
  for (const { record, config } of store.containers()) catalog.addContainer(new Container(record, config));
  await context.images.recover(
    [...catalog.containers.values()].flatMap(({ record: { id, imageId, imageVolumes = [] } }) => [
      { id, imageId },
      ...imageVolumes,
    ]),
  );

  for (const container of catalog.containers.values()) {
    if (container.record.bootId !== context.bootId) noteReboot(context, container);
    else if (!noteExit(context, container)) noteLost(context, container);
  }
  for (const sandbox of sandboxesOfEarlierBoots(context)) {
    sandbox.change({ state: "notready" });
    store.updateSandbox(sandbox.record);
  }
  logger.info("state recovered", { pods: catalog.sandboxes.size, containers: catalog.containers.size });
}

/**
 * Takes down what a job of a process that died had made and not yet stored, and gives back the addresses of pods of an
 * earlier boot. May wait for helper programs, so it is not waited for; what fails is tried again by the next stop, or start.
 */
export async function mend(context: Context): Promise<void> {
  const mended = await context.jobs.mend();
  if (mended > 0) context.logger.info("unfinished work of an earlier process was taken down", { things: mended });
  for (const container of context.catalog.containers.values()) {
    if (container.record.state === "exited") releaseInBackground(context, container);
  }
  for (const sandbox of sandboxesOfEarlierBoots(context)) {
    await stopPodSandbox(context, sandbox).catch((error) => {
      context.logger.error("a pod of an earlier boot could not be taken down", { pod: sandbox.id, error });
    });
  }
}

function sandboxesOfEarlierBoots({ catalog, bootId }: Context): Sandbox[] {
  return [...catalog.sandboxes.values()].filter(({ record }) => record.bootId !== bootId);
}
