import { ContainerStats, type StreamContainerStatsRequest } from "../../../proto/gen/runtime/v1/api.ts";
import { Encoded } from "../../rpc/mod.ts";
import { inSlices } from "../in_slices.ts";
import { chunks, entry } from "../list_entry.ts";
import type { RuntimeDependencies } from "./dependencies.ts";
import { runningContainers } from "./list_container_stats.ts";
import { containerStatsOf } from "./stats_shape.ts";

export const streamContainerStats = ({ pods }: RuntimeDependencies) =>
  async function* ({ filter }: StreamContainerStatsRequest): AsyncGenerator<Encoded> {
    const entries = await inSlices(
      runningContainers(pods, filter),
      (container) => entry(ContainerStats, containerStatsOf(container, pods.statistics.container(container))),
    );
    for (const chunk of chunks(entries)) yield new Encoded(chunk);
  };
