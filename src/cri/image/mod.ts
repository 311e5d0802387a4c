/** The ImageService: one file per call. */
import type { ImageServiceDefinition } from "../../../proto/gen/runtime/v1/api.ts";
import type { Handlers } from "../../rpc/types.ts";
import type { ImageDependencies } from "./dependencies.ts";
import { imageFsInfo } from "./image_fs_info.ts";
import { imageStatus } from "./image_status.ts";
import { listImages } from "./list_images.ts";
import { pullImage } from "./pull_image.ts";
import { removeImage } from "./remove_image.ts";
import { streamImages } from "./stream_images.ts";

export type { ImageDependencies } from "./dependencies.ts";

export function imageService(dependencies: ImageDependencies): Handlers<ImageServiceDefinition> {
  return {
    listImages: listImages(dependencies),
    streamImages: streamImages(dependencies),
    imageStatus: imageStatus(dependencies),
    pullImage: pullImage(dependencies),
    removeImage: removeImage(dependencies),
    imageFsInfo: imageFsInfo(dependencies),
  };
}
