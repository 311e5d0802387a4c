import {
  type ListPodSandboxRequest,
  PodSandbox,
  type PodSandboxFilter,
  PodSandboxState,
} from "../../../proto/gen/runtime/v1/api.ts";
import type { Pods, Sandbox } from "../../pods/mod.ts";
import { Encoded } from "../../rpc/mod.ts";
import { hasLabels } from "../filter.ts";
import { entry } from "../list_entry.ts";
import type { RuntimeDependencies } from "./dependencies.ts";

/** From memory; each entry's bytes are kept until the pod changes. */
export const listPodSandbox = ({ pods }: RuntimeDependencies) => ({ filter }: ListPodSandboxRequest): Encoded =>
  new Encoded([...podSandboxEntries(pods, filter)]);

/** The entries of ListPodSandbox and StreamPodSandboxes, encoded. */
export function* podSandboxEntries(pods: Pods, filter: PodSandboxFilter | undefined): Generator<Uint8Array> {
  for (const sandbox of pods.sandboxes()) {
    if (matches(sandbox, filter)) yield sandbox.encoded ??= entry(PodSandbox, podSandbox(sandbox));
  }
}

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

export const sandboxState = (state: "ready" | "notready") =>
  state === "ready" ? PodSandboxState.SANDBOX_READY : PodSandboxState.SANDBOX_NOTREADY;

function matches({ record, config }: Sandbox, filter: PodSandboxFilter | undefined): boolean {
  if (!filter) return true;
  if (filter.id && !record.id.startsWith(filter.id)) return false;
  if (filter.state && filter.state.state !== sandboxState(record.state)) return false;
  return hasLabels(config.labels, filter.labelSelector);
}
