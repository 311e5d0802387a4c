import type { StreamImagesRequest } from "../../../proto/gen/runtime/v1/api.ts";
import { Encoded } from "../../rpc/types.ts";
import { chunks } from "../list_entry.ts";
import type { ImageDependencies } from "./dependencies.ts";
import { imageEntry } from "./image_shape.ts";
import { matchingImages } from "./list_images.ts";

export const streamImages = (dependencies: ImageDependencies) =>
  async function* (request: StreamImagesRequest): AsyncGenerator<Encoded> {
    for (const chunk of chunks(matchingImages(dependencies, request).map(imageEntry))) yield new Encoded(chunk);
  };
