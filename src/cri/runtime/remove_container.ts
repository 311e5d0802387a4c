import type { RemoveContainerRequest, RemoveContainerResponse } from "../../../proto/gen/runtime/v1/api.ts";
import { plainText } from "../check.ts";
import type { RuntimeDependencies } from "./dependencies.ts";

export const removeContainer =
  ({ pods }: RuntimeDependencies) => async (request: RemoveContainerRequest): Promise<RemoveContainerResponse> => {
    await pods.removeContainer(plainText("container_id", request.containerId));
    return {};
  };
