import type { RemovePodSandboxRequest, RemovePodSandboxResponse } from "../../../proto/gen/runtime/v1/api.ts";
import { plainText } from "../check.ts";
import type { RuntimeDependencies } from "./dependencies.ts";

export const removePodSandbox =
  ({ pods }: RuntimeDependencies) => async (request: RemovePodSandboxRequest): Promise<RemovePodSandboxResponse> => {
    await pods.removePodSandbox(plainText("pod_sandbox_id", request.podSandboxId));
    return {};
  };
