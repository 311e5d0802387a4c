import { type ContainerConfig, type Mount, MountPropagation } from "../../../proto/gen/runtime/v1/api.ts";
import { invalid, quote } from "../refusal.ts";

/** A volume that is made of an image. */
export interface ImageMount {
  /** Of the request's list. */
  index: number;
  /** As the request names the image. */
  image: string;
  /** Relative; empty: all of the image. */
  subPath: string;
}

/** The first word of an error that the kubelet shows as it is: https://kep.k8s.io/4639 */
export const IMAGE_VOLUME_FAILED = "ImageVolumeMountFailed";

/** Volumes of the request that are made of images, checked. RpcError INVALID_ARGUMENT names the mount. */
export function imageMounts({ mounts }: ContainerConfig): ImageMount[] {
  return mounts.flatMap((mount, index) =>
    mount.image ? [{ index, image: mount.image.image, subPath: checked(mount) }] : []
  );
}

function checked({ containerPath, hostPath, readonly, propagation, image, imageSubPath }: Mount): string {
  const field = `mount ${quote(containerPath)}`;
  if (image!.image === "") throw invalid(field, "image: must not be empty");
  if (hostPath !== "") throw invalid(field, "image and host_path: only one of them can be given");
  if (!readonly) throw invalid(field, `${IMAGE_VOLUME_FAILED}: an image can only be mounted with readonly`);
  if (propagation === MountPropagation.PROPAGATION_BIDIRECTIONAL) {
    throw invalid(field, "an image cannot be mounted with Bidirectional propagation");
  }
  const path = imageSubPath;
  if (path.startsWith("/") || path.includes("\0") || path.length > 4095 || path.split("/").includes("..")) {
    throw invalid(field, `image_sub_path ${quote(path)} is not a relative path without ".."`);
  }
  return path;
}
