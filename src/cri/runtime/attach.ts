import type { AttachRequest, AttachResponse } from "../../../proto/gen/runtime/v1/api.ts";
import { plainText } from "../check.ts";
import { streamSelection } from "../check_streams.ts";
import type { RuntimeDependencies } from "./dependencies.ts";

export const attach = ({ pods, streaming }: RuntimeDependencies) => (request: AttachRequest): AttachResponse => {
  const selection = streamSelection(request);
  const id = plainText("container_id", request.containerId);
  const target = () => pods.attachTarget(id);
  // Now for what can be said now, and again when the client connects.
  target();
  return { url: streaming.attach({ ...selection, target }) };
};
