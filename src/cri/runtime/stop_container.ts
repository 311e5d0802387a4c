import type { StopContainerRequest, StopContainerResponse } from "../../../proto/gen/runtime/v1/api.ts";
import { plainText } from "../check.ts";
import type { RuntimeDependencies } from "./dependencies.ts";

export const stopContainer =
  ({ pods }: RuntimeDependencies) => async (request: StopContainerRequest): Promise<StopContainerResponse> => {
    await pods.stopContainer(plainText("container_id", request.containerId), Number(request.timeout));
    return {};
  };
