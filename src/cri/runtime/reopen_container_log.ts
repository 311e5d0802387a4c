import type { ReopenContainerLogRequest, ReopenContainerLogResponse } from "../../../proto/gen/runtime/v1/api.ts";
import { plainText } from "../check.ts";
import type { RuntimeDependencies } from "./dependencies.ts";

export const reopenContainerLog = ({ pods }: RuntimeDependencies) =>
async (
  request: ReopenContainerLogRequest,
): Promise<ReopenContainerLogResponse> => {
  await pods.reopenLog(plainText("container_id", request.containerId));
  return {};
};
