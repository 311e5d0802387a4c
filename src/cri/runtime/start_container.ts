import type { StartContainerRequest, StartContainerResponse } from "../../../proto/gen/runtime/v1/api.ts";
import { plainText } from "../check.ts";
import type { RuntimeDependencies } from "./dependencies.ts";

export const startContainer =
  ({ pods }: RuntimeDependencies) => async (request: StartContainerRequest): Promise<StartContainerResponse> => {
    await pods.startContainer(plainText("container_id", request.containerId));
    return {};
  };
