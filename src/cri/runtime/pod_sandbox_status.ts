import type {
  PodSandboxStatus,
  PodSandboxStatusRequest,
  PodSandboxStatusResponse,
} from "../../../proto/gen/runtime/v1/api.ts";
import { plainText } from "../check.ts";
import type { Sandbox } from "../../pods/mod.ts";
import { containerStatusOf } from "./container_status.ts";
import type { RuntimeDependencies } from "./dependencies.ts";
import { sandboxState } from "./list_pod_sandbox.ts";

export const podSandboxStatus =
  ({ pods }: RuntimeDependencies) => (request: PodSandboxStatusRequest): PodSandboxStatusResponse => {
    const sandbox = pods.catalog.sandbox(plainText("pod_sandbox_id", request.podSandboxId));
    const { record } = sandbox;
    return {
      status: podSandboxStatusOf(sandbox),
      info: request.verbose
        ? { info: JSON.stringify({ ...record, jobs: pods.jobs().filter((job) => job.objectId === record.id) }) }
        : {},
      containersStatuses: pods.catalog.containersOf(record.id).map(containerStatusOf),
      // None: with one, a kubelet that has EventedPLEG on takes the containers from this reply and finds no active one among
      // them, so that it runs init containers again and again (seen with 1.37.2). Without, it asks for each.
      timestamp: 0n,
    };
  };

export function podSandboxStatusOf({ record, config }: Sandbox): PodSandboxStatus {
  const [ip = "", ...others] = record.attachment?.ips ?? [];
  return {
    id: record.id,
    metadata: config.metadata,
    state: sandboxState(record.state),
    createdAt: BigInt(record.createdAt),
    network: { ip, additionalIps: others.map((ip) => ({ ip })) },
    linux: { namespaces: { options: config.linux?.securityContext?.namespaceOptions } },
    labels: config.labels,
    annotations: config.annotations,
    runtimeHandler: record.runtimeHandler,
  };
}
