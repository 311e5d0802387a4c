import {
  Container,
  type ContainerFilter,
  ContainerState,
  type ListContainersRequest,
} from "../../../proto/gen/runtime/v1/api.ts";
import type { Container as PodContainer, ContainerStateName, Pods } from "../../pods/mod.ts";
import { Encoded } from "../../rpc/mod.ts";
import { hasLabels } from "../filter.ts";
import { entry } from "../list_entry.ts";
import type { RuntimeDependencies } from "./dependencies.ts";

/** From memory; each entry's bytes are kept until the container changes. */
export const listContainers = ({ pods }: RuntimeDependencies) => ({ filter }: ListContainersRequest): Encoded =>
  new Encoded([...containerEntries(pods, filter)]);

/** The entries of ListContainers and StreamContainers, encoded. */
export function* containerEntries(pods: Pods, filter: ContainerFilter | undefined): Generator<Uint8Array> {
  for (const container of pods.containers()) {
    if (matches(container, filter)) yield container.encoded ??= entry(Container, shape(container));
  }
}

function shape({ record, config }: PodContainer): Container {
  return {
    id: record.id,
    podSandboxId: record.sandboxId,
    metadata: config.metadata,
    image: config.image,
    imageRef: record.imageRef,
    imageId: record.imageId,
    state: containerState(record.state),
    createdAt: BigInt(record.createdAt),
    labels: config.labels,
    annotations: config.annotations,
  };
}

const STATES: Record<ContainerStateName, ContainerState> = {
  created: ContainerState.CONTAINER_CREATED,
  running: ContainerState.CONTAINER_RUNNING,
  exited: ContainerState.CONTAINER_EXITED,
};
export const containerState = (state: ContainerStateName) => STATES[state];

function matches({ record, config }: PodContainer, filter: ContainerFilter | undefined): boolean {
  if (!filter) return true;
  if (filter.id && !record.id.startsWith(filter.id)) return false;
  if (filter.podSandboxId && !record.sandboxId.startsWith(filter.podSandboxId)) return false;
  if (filter.state && filter.state.state !== containerState(record.state)) return false;
  return hasLabels(config.labels, filter.labelSelector);
}
