import type {
  ListPodSandboxStatsRequest,
  ListPodSandboxStatsResponse,
  PodSandboxStatsFilter,
} from "../../../proto/gen/runtime/v1/api.ts";
import type { Pods, Sandbox } from "../../pods/mod.ts";
import { hasLabels } from "../filter.ts";
import { inSlices } from "../in_slices.ts";
import type { RuntimeDependencies } from "./dependencies.ts";
import { podSandboxStatsOf } from "./pod_sandbox_stats.ts";

/** Of the ready pods. */
export const listPodSandboxStats =
  ({ pods }: RuntimeDependencies) =>
  async ({ filter }: ListPodSandboxStatsRequest): Promise<ListPodSandboxStatsResponse> => ({
    stats: await inSlices(readySandboxes(pods, filter), (sandbox) => podSandboxStatsOf(pods, sandbox)),
  });

export function* readySandboxes(pods: Pods, filter?: PodSandboxStatsFilter): Generator<Sandbox> {
  for (const sandbox of [...pods.sandboxes()]) {
    const { record, config } = sandbox;
    if (record.state !== "ready") continue;
    if (filter?.id && !record.id.startsWith(filter.id)) continue;
    if (!filter || hasLabels(config.labels, filter.labelSelector)) yield sandbox;
  }
}
