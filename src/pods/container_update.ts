import type { LinuxContainerResources } from "../../proto/gen/runtime/v1/api.ts";
import { Code, RpcError } from "../rpc/status.ts";
import type { Context } from "./context.ts";

/** Changes the limits of a created or running container; what ContainerStatus reports follows. */
export async function updateContainerResources(
  context: Context,
  id: string,
  resources: LinuxContainerResources,
): Promise<void> {
  const container = context.catalog.container(id);
  const { record } = container;
  if (record.state === "exited") {
    throw new RpcError(
      Code.FAILED_PRECONDITION,
      `container ${record.id}: has ended, so its resources cannot be changed`,
    );
  }
  await context.runtime.update(record.runtime, record.id, resources, context.node);
  container.config = {
    ...container.config,
    linux: { ...container.config.linux!, resources: merge(container.config.linux?.resources, resources) },
  };
  container.change({});
  context.store.updateContainer(record, container.config);
}

/** A field that the request leaves at its zero value keeps what it was. */
function merge(old: LinuxContainerResources | undefined, update: LinuxContainerResources): LinuxContainerResources {
  if (!old) return update;
  const set = Object.entries(update).filter(([, value]) =>
    value !== 0n && value !== 0 && value !== "" && !(Array.isArray(value) && value.length === 0)
  );
  return { ...old, ...Object.fromEntries(set) };
}
