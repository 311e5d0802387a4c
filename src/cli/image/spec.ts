import { ImageSpec } from "../../../proto/gen/runtime/v1/api.ts";

/** An image by name or ID, as CRI requests carry it. */
export function imageSpec(image: string): ImageSpec {
  return ImageSpec.fromPartial({ image });
}
