import type { AuthConfig, PullImageRequest, PullImageResponse } from "../../../proto/gen/runtime/v1/api.ts";
import type { RegistryAuth } from "../../images/types.ts";
import { Code, RpcError } from "../../rpc/status.ts";
import type { CallContext } from "../../rpc/types.ts";
import { imageName } from "./check_image.ts";
import type { ImageDependencies } from "./dependencies.ts";

/** The kubelet sets no deadline: a pull ends by success, failure, a stalled download, or the kubelet's cancel. */
export const pullImage =
  ({ images, track }: ImageDependencies) =>
  async (request: PullImageRequest, { signal }: CallContext): Promise<PullImageResponse> => {
    const name = imageName(request.image);
    const auth = registryAuth(request.auth);
    const namespace = request.sandboxConfig?.metadata?.namespace ?? "";
    try {
      const { id } = await track(
        "pull-image",
        name,
        (onStep) => images.pull(name, auth, { signal, namespace, onStep }),
      );
      return { imageRef: id };
    } catch (error) {
      throw asKubeletReads(error);
    }
  };

/**
 * The kubelet finds its reasons `RegistryUnavailable` and `SignatureValidationFailed` by the first word of the error, and puts
 * the name of the code before it, unless the code is UNKNOWN.
 */
function asKubeletReads(error: unknown): unknown {
  if (!(error instanceof RpcError) || !/^(?:RegistryUnavailable|SignatureValidationFailed)/.test(error.message)) {
    return error;
  }
  return new RpcError(Code.UNKNOWN, error.message, { cause: error.cause });
}

/** Undefined when nothing in it is set: then the pull is anonymous. */
export function registryAuth(auth: AuthConfig | undefined): RegistryAuth | undefined {
  if (!auth) return undefined;
  const given: RegistryAuth = {};
  for (const key of ["username", "password", "auth", "serverAddress", "identityToken", "registryToken"] as const) {
    if (auth[key] !== "") given[key] = headerText(`auth.${key}`, auth[key]);
  }
  return Object.keys(given).length === 0 ? undefined : given;
}

/** Credentials end in HTTP headers. The message must not show them. */
function headerText(field: string, value: string): string {
  // deno-lint-ignore no-control-regex
  if (/[\x00-\x1f\x7f]/.test(value)) {
    throw new RpcError(Code.INVALID_ARGUMENT, `${field}: must not hold control characters`);
  }
  return value;
}
