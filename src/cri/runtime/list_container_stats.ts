import type {
  ContainerStatsFilter,
  ListContainerStatsRequest,
  ListContainerStatsResponse,
} from "../../../proto/gen/runtime/v1/api.ts";
import type { Container, Pods } from "../../pods/mod.ts";
import { hasLabels } from "../filter.ts";
import { inSlices } from "../in_slices.ts";
import type { RuntimeDependencies } from "./dependencies.ts";
import { containerStatsOf } from "./stats_shape.ts";

/** Of the running containers. */
export const listContainerStats =
  ({ pods }: RuntimeDependencies) =>
  async ({ filter }: ListContainerStatsRequest): Promise<ListContainerStatsResponse> => ({
    stats: await inSlices(
      runningContainers(pods, filter),
      (container) => containerStatsOf(container, pods.statistics.container(container)),
    ),
  });

export function* runningContainers(pods: Pods, filter: ContainerStatsFilter | undefined): Generator<Container> {
  for (const container of [...pods.containers()]) {
    const { record, config } = container;
    if (record.state !== "running") continue;
    if (filter?.id && !record.id.startsWith(filter.id)) continue;
    if (filter?.podSandboxId && !record.sandboxId.startsWith(filter.podSandboxId)) continue;
    if (!filter || hasLabels(config.labels, filter.labelSelector)) yield container;
  }
}
