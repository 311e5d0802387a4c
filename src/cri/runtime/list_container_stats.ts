import type { ContainerStats, ListContainerStatsRequest, ListContainerStatsResponse } from "../../../proto/gen/runtime/v1/api.ts";
import { hasLabels } from "../filter.ts";
import type { RuntimeDependencies } from "./dependencies.ts";
import { containerStatsOf } from "./stats_shape.ts";

/** Of the running containers. */
export const listContainerStats = ({ pods, statistics }: RuntimeDependencies) => async (request: ListContainerStatsRequest): Promise<ListContainerStatsResponse> => {
  const { filter } = request;
  const stats: ContainerStats[] = [];
  for (const container of pods.containers()) {
    const { record, config } = container;
    if (record.state !== "running") continue;
    if (filter?.id && !record.id.startsWith(filter.id)) continue;
    if (filter?.podSandboxId && !record.sandboxId.startsWith(filter.podSandboxId)) continue;
    if (filter && !hasLabels(config.labels, filter.labelSelector)) continue;
    stats.push(containerStatsOf(container, await statistics.container(container)));
  }
  return { stats };
};
