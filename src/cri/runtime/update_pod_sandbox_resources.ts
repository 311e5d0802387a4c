import type {
  UpdatePodSandboxResourcesRequest,
  UpdatePodSandboxResourcesResponse,
} from "../../../proto/gen/runtime/v1/api.ts";
import { plainText } from "../check.ts";
import type { RuntimeDependencies } from "./dependencies.ts";

/** The kubelet owns the pod's cgroup and has changed it by now; this call only tells. Unknown pod: NOT_FOUND. */
export const updatePodSandboxResources =
  ({ pods }: RuntimeDependencies) => (request: UpdatePodSandboxResourcesRequest): UpdatePodSandboxResourcesResponse => {
    pods.catalog.sandbox(plainText("pod_sandbox_id", request.podSandboxId));
    return {};
  };
