import type { VerifyImageRequest, VerifyImageResponse } from "../../proto/gen/skiff/v1/admin.ts";
import { Code, RpcError } from "../rpc/status.ts";
import type { CallContext } from "../rpc/types.ts";
import type { AdminDependencies } from "./dependencies.ts";

export const verifyImage =
  ({ images }: AdminDependencies) =>
  async (request: VerifyImageRequest, { signal }: CallContext): Promise<VerifyImageResponse> => {
    const { image, namespace, username, password } = request;
    if (image === "") throw new RpcError(Code.INVALID_ARGUMENT, "image: must not be empty");
    const auth = username === "" ? undefined : { username, password };
    const verdict = await images.verify(image, auth, { namespace, signal });
    return {
      allowed: verdict.allowed,
      image: verdict.reference,
      policyFile: verdict.file,
      scope: verdict.scope,
      requirements: verdict.requirements,
    };
  };
