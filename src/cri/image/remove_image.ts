import type { RemoveImageRequest, RemoveImageResponse } from "../../../proto/gen/runtime/v1/api.ts";
import { imageName } from "./check_image.ts";
import type { ImageDependencies } from "./dependencies.ts";

/** All names of the image go with it; an image that is not here is gone already. */
export const removeImage =
  ({ images, inUse }: ImageDependencies) => async (request: RemoveImageRequest): Promise<RemoveImageResponse> => {
    await images.remove(imageName(request.image), inUse);
    return {};
  };
