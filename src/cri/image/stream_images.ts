import type { StreamImagesRequest } from "../../../proto/gen/runtime/v1/api.ts";
import { Encoded } from "../../rpc/types.ts";
import type { ImageDependencies } from "./dependencies.ts";
import { imageEntry } from "./image_shape.ts";
import { matchingImages } from "./list_images.ts";

/** Images of one message: far below any limit on messages, however many names they have. */
const CHUNK = 500;

export const streamImages = (dependencies: ImageDependencies) =>
  async function* (request: StreamImagesRequest): AsyncGenerator<Encoded> {
    const entries = matchingImages(dependencies, request).map(imageEntry);
    for (let at = 0; at < entries.length; at += CHUNK) yield new Encoded(entries.slice(at, at + CHUNK));
  };
