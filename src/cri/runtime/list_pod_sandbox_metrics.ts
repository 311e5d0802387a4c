import { Encoded } from "../../rpc/mod.ts";
import type { PodMetricsCache } from "./pod_metrics_cache.ts";

/** Of the ready pods and their running containers. */
export const listPodSandboxMetrics = (metrics: PodMetricsCache) => async (): Promise<Encoded> =>
  new Encoded(await metrics.entries());
