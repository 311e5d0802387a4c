import type {
  UpdateContainerResourcesRequest,
  UpdateContainerResourcesResponse,
} from "../../../proto/gen/runtime/v1/api.ts";
import { plainText, required } from "../check.ts";
import type { RuntimeDependencies } from "./dependencies.ts";

export const updateContainerResources =
  ({ pods }: RuntimeDependencies) =>
  async (request: UpdateContainerResourcesRequest): Promise<UpdateContainerResourcesResponse> => {
    await pods.updateContainerResources(
      plainText("container_id", request.containerId),
      required("linux", request.linux),
    );
    return {};
  };
