import type { ResolveImageRequest, ResolveImageResponse } from "../../proto/gen/skiff/v1/admin.ts";
import { Code, RpcError } from "../rpc/status.ts";
import type { AdminDependencies } from "./dependencies.ts";

export const resolveImage = ({ images }: AdminDependencies) => (request: ResolveImageRequest): ResolveImageResponse => {
  if (request.image === "") throw new RpcError(Code.INVALID_ARGUMENT, "image: must not be empty");
  return { names: images.explain(request.image, request.namespace) };
};
