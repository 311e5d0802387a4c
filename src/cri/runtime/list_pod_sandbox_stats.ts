import type {
  ListPodSandboxStatsRequest,
  ListPodSandboxStatsResponse,
  PodSandboxStatsFilter,
} from "../../../proto/gen/runtime/v1/api.ts";
import type { Pods, Sandbox } from "../../pods/mod.ts";
import { hasLabels } from "../filter.ts";
import type { RuntimeDependencies } from "./dependencies.ts";
import { podSandboxStatsOf } from "./pod_sandbox_stats.ts";

/** Of the ready pods. */
export const listPodSandboxStats =
  ({ pods }: RuntimeDependencies) =>
  async ({ filter }: ListPodSandboxStatsRequest): Promise<ListPodSandboxStatsResponse> => ({
    stats: await Promise.all(readySandboxes(pods, filter).map((sandbox) => podSandboxStatsOf(pods, sandbox))),
  });

export function readySandboxes(pods: Pods, filter: PodSandboxStatsFilter | undefined): Sandbox[] {
  return [...pods.sandboxes()].filter(({ record, config }) =>
    record.state === "ready" && (!filter?.id || record.id.startsWith(filter.id)) &&
    (!filter || hasLabels(config.labels, filter.labelSelector))
  );
}
