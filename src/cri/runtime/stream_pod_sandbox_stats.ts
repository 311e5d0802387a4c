import { PodSandboxStats, type StreamPodSandboxStatsRequest } from "../../../proto/gen/runtime/v1/api.ts";
import { Encoded } from "../../rpc/mod.ts";
import { inSlices } from "../in_slices.ts";
import { chunks, entry } from "../list_entry.ts";
import type { RuntimeDependencies } from "./dependencies.ts";
import { readySandboxes } from "./list_pod_sandbox_stats.ts";
import { podSandboxStatsOf } from "./pod_sandbox_stats.ts";

export const streamPodSandboxStats = ({ pods }: RuntimeDependencies) =>
  async function* ({ filter }: StreamPodSandboxStatsRequest): AsyncGenerator<Encoded> {
    const entries = await inSlices(
      readySandboxes(pods, filter),
      (sandbox) => entry(PodSandboxStats, podSandboxStatsOf(pods, sandbox)),
    );
    for (const chunk of chunks(entries)) yield new Encoded(chunk);
  };
