/** The RuntimeService: one file per call. What is not here yet answers UNIMPLEMENTED by its name. */
import type { RuntimeServiceDefinition } from "../../../proto/gen/runtime/v1/api.ts";
import type { Handlers } from "../../rpc/mod.ts";
import { attach } from "./attach.ts";
import { containerStats } from "./container_stats.ts";
import { containerStatus } from "./container_status.ts";
import { createContainer } from "./create_container.ts";
import type { RuntimeDependencies } from "./dependencies.ts";
import { exec } from "./exec.ts";
import { execSync } from "./exec_sync.ts";
import { listContainerStats } from "./list_container_stats.ts";
import { listContainers } from "./list_containers.ts";
import { listPodSandbox } from "./list_pod_sandbox.ts";
import { podSandboxStatus } from "./pod_sandbox_status.ts";
import { portForward } from "./port_forward.ts";
import { removeContainer } from "./remove_container.ts";
import { removePodSandbox } from "./remove_pod_sandbox.ts";
import { reopenContainerLog } from "./reopen_container_log.ts";
import { runPodSandbox } from "./run_pod_sandbox.ts";
import { runtimeConfig } from "./runtime_config.ts";
import { startContainer } from "./start_container.ts";
import { status } from "./status.ts";
import { stopContainer } from "./stop_container.ts";
import { stopPodSandbox } from "./stop_pod_sandbox.ts";
import { updateContainerResources } from "./update_container_resources.ts";
import { updateRuntimeConfig } from "./update_runtime_config.ts";
import { listMetricDescriptors } from "./list_metric_descriptors.ts";
import { listPodSandboxMetrics } from "./list_pod_sandbox_metrics.ts";
import { PodMetricsCache } from "./pod_metrics_cache.ts";
import { streamPodSandboxMetrics } from "./stream_pod_sandbox_metrics.ts";
import { getContainerEvents } from "./get_container_events.ts";
import { listPodSandboxStats } from "./list_pod_sandbox_stats.ts";
import { podSandboxStats } from "./pod_sandbox_stats.ts";
import { streamContainerStats } from "./stream_container_stats.ts";
import { streamContainers } from "./stream_containers.ts";
import { streamPodSandboxStats } from "./stream_pod_sandbox_stats.ts";
import { streamPodSandboxes } from "./stream_pod_sandboxes.ts";
import { updatePodSandboxResources } from "./update_pod_sandbox_resources.ts";
import { version } from "./version.ts";

export type { RuntimeDependencies } from "./dependencies.ts";

export function runtimeService(dependencies: RuntimeDependencies): Handlers<RuntimeServiceDefinition> {
  const metrics = new PodMetricsCache(dependencies.pods);
  return {
    version: version(dependencies),
    status: status(dependencies),
    runtimeConfig: runtimeConfig(dependencies),
    updateRuntimeConfig: updateRuntimeConfig(),
    runPodSandbox: runPodSandbox(dependencies),
    stopPodSandbox: stopPodSandbox(dependencies),
    removePodSandbox: removePodSandbox(dependencies),
    podSandboxStatus: podSandboxStatus(dependencies),
    listPodSandbox: listPodSandbox(dependencies),
    createContainer: createContainer(dependencies),
    startContainer: startContainer(dependencies),
    stopContainer: stopContainer(dependencies),
    removeContainer: removeContainer(dependencies),
    listContainers: listContainers(dependencies),
    containerStatus: containerStatus(dependencies),
    updateContainerResources: updateContainerResources(dependencies),
    reopenContainerLog: reopenContainerLog(dependencies),
    execSync: execSync(dependencies),
    exec: exec(dependencies),
    attach: attach(dependencies),
    portForward: portForward(dependencies),
    containerStats: containerStats(dependencies),
    listContainerStats: listContainerStats(dependencies),
    updatePodSandboxResources: updatePodSandboxResources(dependencies),
    streamPodSandboxes: streamPodSandboxes(dependencies),
    streamPodSandboxStats: streamPodSandboxStats(dependencies),
    streamContainers: streamContainers(dependencies),
    streamContainerStats: streamContainerStats(dependencies),
    podSandboxStats: podSandboxStats(dependencies),
    listPodSandboxStats: listPodSandboxStats(dependencies),
    getContainerEvents: getContainerEvents(dependencies),
    listMetricDescriptors: listMetricDescriptors(),
    listPodSandboxMetrics: listPodSandboxMetrics(metrics),
    streamPodSandboxMetrics: streamPodSandboxMetrics(metrics),
  };
}
