import {
  type ContainerEventResponse,
  ContainerEventType,
  type GetEventsRequest,
} from "../../../proto/gen/runtime/v1/api.ts";
import type { EventKind } from "../../pods/mod.ts";
import type { CallContext } from "../../rpc/mod.ts";
import { containerStatusOf } from "./container_status.ts";
import type { RuntimeDependencies } from "./dependencies.ts";
import { podSandboxStatusOf } from "./pod_sandbox_status.ts";

const TYPES: Record<EventKind, ContainerEventType> = {
  created: ContainerEventType.CONTAINER_CREATED_EVENT,
  started: ContainerEventType.CONTAINER_STARTED_EVENT,
  stopped: ContainerEventType.CONTAINER_STOPPED_EVENT,
  deleted: ContainerEventType.CONTAINER_DELETED_EVENT,
};

/**
 * On connect the last event of each pod and container, by time, then every change as it happens. The pod's status and its
 * containers' are as they are when the message is sent: never older than the event, which is what the kubelet relies on.
 */
export const getContainerEvents = ({ pods }: RuntimeDependencies) =>
  async function* (_request: GetEventsRequest, { signal }: CallContext): AsyncGenerator<ContainerEventResponse> {
    for await (const { kind, id, sandboxId, sandbox, at } of pods.events(signal)) {
      yield {
        containerId: id,
        containerEventType: TYPES[kind],
        createdAt: at,
        podSandboxStatus: sandbox && podSandboxStatusOf(sandbox),
        containersStatuses: pods.catalog.containersOf(sandboxId).map(containerStatusOf),
      };
    }
  };
