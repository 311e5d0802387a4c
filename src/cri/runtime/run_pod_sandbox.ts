import type { RunPodSandboxRequest, RunPodSandboxResponse } from "../../../proto/gen/runtime/v1/api.ts";
import { checkRunPodSandbox } from "../check_pod.ts";
import type { RuntimeDependencies } from "./dependencies.ts";

export const runPodSandbox =
  ({ pods }: RuntimeDependencies) => async (request: RunPodSandboxRequest): Promise<RunPodSandboxResponse> => {
    checkRunPodSandbox(request);
    return { podSandboxId: await pods.runPodSandbox(request) };
  };
