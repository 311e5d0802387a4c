import type { ContainerConfig, ImageSpec } from "../../proto/gen/runtime/v1/api.ts";
import { IMAGE_VOLUME_FAILED, imageMounts } from "../oci/mod.ts";
import { Code, messageOf, RpcError } from "../rpc/status.ts";
import type { Sandbox } from "./catalog.ts";
import type { Context } from "./context.ts";
import type { Job } from "./jobs.ts";
import type { ImageVolume } from "./types.ts";
import { layerIdmap } from "./user_namespace.ts";

/**
 * Mounts the images that are volumes of a container. RpcError with `ImageVolumeMountFailed` as its first word: NOT_FOUND for
 * an image that is not on the node, or a part that is not in it.
 */
export async function mountImageVolumes(
  context: Context,
  job: Job,
  sandbox: Sandbox,
  containerId: string,
  config: ContainerConfig,
): Promise<ImageVolume[]> {
  const { images } = context;
  const { userns } = sandbox.record;
  const volumes: ImageVolume[] = [];
  for (const { index, image: name, subPath } of imageMounts(config)) {
    const spec = config.mounts[index].image!;
    const image = images.resolve(name);
    if (!image) throw failed(Code.NOT_FOUND, `image ${JSON.stringify(name)} is not on this node; pull it first`);
    const id = `${containerId}.${index}`;
    job.undo("rootfs", { id });
    try {
      const path = await images.mountVolume({
        id,
        image,
        use: imageUse(sandbox, spec),
        subPath,
        idmap: userns && layerIdmap(userns),
      });
      volumes.push({ id, index, imageId: image.id, path });
    } catch (cause) {
      // The kubelet has a reason of its own for it, told by the first word.
      if (messageOf(cause).startsWith("SignatureValidationFailed")) throw cause;
      throw failed(cause instanceof RpcError ? cause.code : Code.INTERNAL, messageOf(cause), cause);
    }
  }
  return volumes;
}

/** For whom an image is mounted. The kubelet names it by ID, and says beside that what the pod calls it. */
export function imageUse(sandbox: Sandbox, spec: ImageSpec): { name: string; namespace: string } {
  return { name: spec.userSpecifiedImage || spec.image, namespace: sandbox.config.metadata!.namespace };
}

function failed(code: Code, why: string, cause?: unknown): RpcError {
  return new RpcError(code, `${IMAGE_VOLUME_FAILED}: ${why}`, { cause });
}
