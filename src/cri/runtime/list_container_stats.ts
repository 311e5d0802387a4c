import type {
  ContainerStatsFilter,
  ListContainerStatsRequest,
  ListContainerStatsResponse,
} from "../../../proto/gen/runtime/v1/api.ts";
import type { Container, Pods } from "../../pods/mod.ts";
import { hasLabels } from "../filter.ts";
import type { RuntimeDependencies } from "./dependencies.ts";
import { containerStatsOf } from "./stats_shape.ts";

/** Of the running containers. */
export const listContainerStats =
  ({ pods }: RuntimeDependencies) =>
  async ({ filter }: ListContainerStatsRequest): Promise<ListContainerStatsResponse> => ({
    stats: await Promise.all(
      runningContainers(pods, filter).map(async (container) =>
        containerStatsOf(container, await pods.statistics.container(container))
      ),
    ),
  });

export function runningContainers(pods: Pods, filter: ContainerStatsFilter | undefined): Container[] {
  return [...pods.containers()].filter(({ record, config }) =>
    record.state === "running" && (!filter?.id || record.id.startsWith(filter.id)) &&
    (!filter?.podSandboxId || record.sandboxId.startsWith(filter.podSandboxId)) &&
    (!filter || hasLabels(config.labels, filter.labelSelector))
  );
}
