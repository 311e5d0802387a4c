import { Encoded } from "../../rpc/mod.ts";
import { chunks } from "../list_entry.ts";
import type { PodMetricsCache } from "./pod_metrics_cache.ts";

export const streamPodSandboxMetrics = (metrics: PodMetricsCache) =>
  async function* (): AsyncGenerator<Encoded> {
    for (const chunk of chunks(await metrics.entries())) yield new Encoded(chunk);
  };
