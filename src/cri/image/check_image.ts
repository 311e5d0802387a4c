import type { ImageFilter, ImageSpec } from "../../../proto/gen/runtime/v1/api.ts";
import { Code, RpcError } from "../../rpc/status.ts";
import { plainText } from "../check.ts";

/** The name or ID in an image spec. @throws {RpcError} INVALID_ARGUMENT when there is none, or one that no image can have. */
export function imageName(spec: ImageSpec | undefined): string {
  if (!spec?.image) throw new RpcError(Code.INVALID_ARGUMENT, "image.image: must name an image");
  return plainText("image.image", spec.image);
}

/** What a filter asks for; "" is everything. */
export function filteredName(filter: ImageFilter | undefined): string {
  const name = filter?.image?.image ?? "";
  return name === "" ? "" : plainText("filter.image.image", name);
}
