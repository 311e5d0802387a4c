import { Container, Sandbox } from "./catalog.ts";
import type { Context } from "./context.ts";
import { noteExit, noteLost, noteReboot } from "./exit.ts";
import { podNetwork } from "./sandbox_run.ts";

/**
 * Brings memory in line with the store and the kernel when the daemon starts: what has ended meanwhile gets its true exit
 * code, what another boot has taken away is noted as gone, and half-made things of a job that died are taken down.
 */
export async function recover(context: Context): Promise<void> {
  const { store, catalog, logger } = context;
  for (const { record, config } of store.sandboxes()) catalog.addSandbox(new Sandbox(record, config));
  for (const { record, config } of store.containers()) catalog.addContainer(new Container(record, config));
  await context.images.recover(
    [...catalog.containers.values()].map(({ record }) => ({ id: record.id, imageId: record.imageId })),
  );

  for (const container of catalog.containers.values()) {
    if (container.record.bootId !== context.bootId) noteReboot(context, container);
    else if (!noteExit(context, container)) noteLost(context, container);
  }
  const rebooted = [...catalog.sandboxes.values()].filter(({ record }) =>
    record.bootId !== context.bootId && record.state === "ready"
  );
  await Promise.all(rebooted.map((sandbox) => endOfBoot(context, sandbox)));

  const mended = await context.jobs.mend();
  logger.info("state recovered", {
    pods: catalog.sandboxes.size,
    containers: catalog.containers.size,
    rebooted: rebooted.length,
    mended,
  });
}

/** A pod of an earlier boot: its namespaces died with power, its address must still be given back. */
async function endOfBoot(context: Context, sandbox: Sandbox): Promise<void> {
  const { record, config } = sandbox;
  if (record.netns) {
    await context.network.del(podNetwork(record, config), record.attachment).catch((error) => {
      context.logger.error("the address of a pod of an earlier boot could not be given back", {
        pod: record.id,
        error,
      });
    });
  }
  sandbox.change({
    state: "notready",
    netns: undefined,
    ipcns: undefined,
    utsns: undefined,
    shm: undefined,
    pause: undefined,
    attachment: undefined,
  });
  context.store.updateSandbox(record);
}
