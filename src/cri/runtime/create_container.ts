import type { CreateContainerRequest, CreateContainerResponse } from "../../../proto/gen/runtime/v1/api.ts";
import { checkCreateContainer } from "../check_container.ts";
import type { RuntimeDependencies } from "./dependencies.ts";

export const createContainer =
  ({ pods }: RuntimeDependencies) => async (request: CreateContainerRequest): Promise<CreateContainerResponse> => {
    checkCreateContainer(request);
    return { containerId: await pods.createContainer(request) };
  };
