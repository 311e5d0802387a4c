import type { StopPodSandboxRequest, StopPodSandboxResponse } from "../../../proto/gen/runtime/v1/api.ts";
import { plainText } from "../check.ts";
import type { RuntimeDependencies } from "./dependencies.ts";

export const stopPodSandbox =
  ({ pods }: RuntimeDependencies) => async (request: StopPodSandboxRequest): Promise<StopPodSandboxResponse> => {
    await pods.stopPodSandbox(plainText("pod_sandbox_id", request.podSandboxId));
    return {};
  };
