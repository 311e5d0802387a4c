import type { ImageStatusRequest, ImageStatusResponse } from "../../../proto/gen/runtime/v1/api.ts";
import type { ImageRecord } from "../../images/types.ts";
import { imageName } from "./check_image.ts";
import type { ImageDependencies } from "./dependencies.ts";
import { imageShape } from "./image_shape.ts";

/** An image that is not here is no error: the reply has none. */
export const imageStatus = ({ images }: ImageDependencies) => (request: ImageStatusRequest): ImageStatusResponse => {
  const name = imageName(request.image);
  const record = images.resolve(name);
  const info: Record<string, string> = {};
  if (request.verbose) {
    if (record) info.info = JSON.stringify(details(record));
    const pull = images.pullProgress?.(name);
    if (pull) info.pull = JSON.stringify(pull);
  }
  return { image: record && imageShape(record), info };
};

function details(record: ImageRecord): Record<string, unknown> {
  const pulledAt = new Date(Number(record.pulledAt / 1_000_000n)).toISOString();
  const store = record.store === undefined ? {} : { additionalStore: record.store };
  if (record.artifact) {
    const { type, blobs } = record.artifact;
    return {
      artifactType: type,
      files: blobs.filter(({ title }) => title !== ""),
      pulledAt,
      ...store,
      manifest: JSON.parse(record.config),
    };
  }
  return { layers: record.layers, labels: record.labels, pulledAt, ...store, imageSpec: JSON.parse(record.config) };
}
