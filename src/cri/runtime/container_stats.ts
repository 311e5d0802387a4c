import type { ContainerStatsRequest, ContainerStatsResponse } from "../../../proto/gen/runtime/v1/api.ts";
import { plainText } from "../check.ts";
import type { RuntimeDependencies } from "./dependencies.ts";
import { containerStatsOf } from "./stats_shape.ts";

export const containerStats =
  ({ pods }: RuntimeDependencies) => (request: ContainerStatsRequest): ContainerStatsResponse => {
    const container = pods.catalog.container(plainText("container_id", request.containerId));
    return { stats: containerStatsOf(container, pods.statistics.container(container)) };
  };
