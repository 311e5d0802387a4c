import { type ListPodSandboxRequest, PodSandbox, type PodSandboxFilter, PodSandboxState } from "../../../proto/gen/runtime/v1/api.ts";
import type { Sandbox } from "../../pods/mod.ts";
import { Encoded } from "../../rpc/types.ts";
import { hasLabels } from "../filter.ts";
import { entry } from "../list_entry.ts";
import type { RuntimeDependencies } from "./dependencies.ts";

/** From memory; each entry's bytes are kept until the pod changes. */
export const listPodSandbox = ({ pods }: RuntimeDependencies) => (request: ListPodSandboxRequest): Encoded => {
  const parts: Uint8Array[] = [];
  for (const sandbox of pods.sandboxes()) if (matches(sandbox, request.filter)) parts.push(sandbox.encoded ??= entry(PodSandbox, podSandbox(sandbox)));
  return new Encoded(parts);
};

export function podSandbox({ record, config }: Sandbox): PodSandbox {
  return {
    id: record.id,
    metadata: config.metadata,
    state: sandboxState(record.state),
    createdAt: BigInt(record.createdAt),
    labels: config.labels,
    annotations: config.annotations,
    runtimeHandler: record.runtimeHandler,
  };
}

export const sandboxState = (state: "ready" | "notready") => state === "ready" ? PodSandboxState.SANDBOX_READY : PodSandboxState.SANDBOX_NOTREADY;

function matches({ record, config }: Sandbox, filter: PodSandboxFilter | undefined): boolean {
  if (!filter) return true;
  if (filter.id && !record.id.startsWith(filter.id)) return false;
  if (filter.state && filter.state.state !== sandboxState(record.state)) return false;
  return hasLabels(config.labels, filter.labelSelector);
}
