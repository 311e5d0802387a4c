import type {
  PodSandboxStats,
  PodSandboxStatsRequest,
  PodSandboxStatsResponse,
} from "../../../proto/gen/runtime/v1/api.ts";
import type { Pods, Sandbox } from "../../pods/mod.ts";
import { plainText } from "../check.ts";
import type { RuntimeDependencies } from "./dependencies.ts";
import { containerStatsOf, cpuOf, interfaceOf, ioOf, memoryOf, value } from "./stats_shape.ts";

export const podSandboxStats =
  ({ pods }: RuntimeDependencies) => (request: PodSandboxStatsRequest): PodSandboxStatsResponse => ({
    stats: podSandboxStatsOf(pods, pods.catalog.sandbox(plainText("pod_sandbox_id", request.podSandboxId))),
  });

/** Of the pod's cgroup, its network namespace, and each of its running containers. */
export function podSandboxStatsOf(pods: Pods, sandbox: Sandbox): PodSandboxStats {
  const { record, config } = sandbox;
  const containers = pods.catalog.containersOf(record.id).filter((container) => container.record.state === "running");
  const { usage, nanoCores, interfaces } = pods.statistics.sandbox(sandbox);
  const { timestamp } = usage;
  const [defaultInterface, ...others] = interfaces.map(interfaceOf);
  return {
    attributes: { id: record.id, metadata: config.metadata, labels: config.labels, annotations: config.annotations },
    linux: {
      cpu: cpuOf(usage, nanoCores),
      memory: memoryOf(usage),
      // The kubelet reads the default one without asking if there is one, and ends where there is none.
      network: defaultInterface && { timestamp, defaultInterface, interfaces: others },
      process: { timestamp, processCount: value(usage.pids) },
      containers: containers.map((container) => containerStatsOf(container, pods.statistics.container(container))),
      io: ioOf(usage),
    },
    windows: undefined,
  };
}
