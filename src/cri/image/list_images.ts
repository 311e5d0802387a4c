import type { ListImagesRequest } from "../../../proto/gen/runtime/v1/api.ts";
import type { ImageRecord } from "../../images/types.ts";
import { Encoded } from "../../rpc/types.ts";
import { filteredName } from "./check_image.ts";
import type { ImageDependencies } from "./dependencies.ts";
import { imageEntry } from "./image_shape.ts";

export const listImages = (dependencies: ImageDependencies) => (request: ListImagesRequest): Encoded =>
  new Encoded(matchingImages(dependencies, request).map(imageEntry));

/** A filter names at most one image. */
export function matchingImages({ images }: ImageDependencies, { filter }: ListImagesRequest): ImageRecord[] {
  const name = filteredName(filter);
  if (name === "") return images.list();
  const image = images.resolve(name);
  return image ? [image] : [];
}
