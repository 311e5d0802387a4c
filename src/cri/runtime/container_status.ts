import type {
  ContainerConfig,
  ContainerStatus,
  ContainerStatusRequest,
  ContainerStatusResponse,
  ImageSpec,
  Mount,
  Signal,
} from "../../../proto/gen/runtime/v1/api.ts";
import { stopSignalEnum } from "../../oci/mod.ts";
import type { Container, ContainerRecord } from "../../pods/mod.ts";
import { plainText } from "../check.ts";
import type { RuntimeDependencies } from "./dependencies.ts";
import { containerState } from "./list_containers.ts";

export const containerStatus =
  ({ pods }: RuntimeDependencies) => (request: ContainerStatusRequest): ContainerStatusResponse => {
    const container = pods.catalog.container(plainText("container_id", request.containerId));
    return { status: containerStatusOf(container), info: request.verbose ? verbose(container) : {} };
  };

export function containerStatusOf({ record, config }: Container): ContainerStatus {
  const { user } = record;
  return {
    id: record.id,
    metadata: config.metadata,
    state: containerState(record.state),
    createdAt: BigInt(record.createdAt),
    startedAt: BigInt(record.startedAt || 0),
    finishedAt: BigInt(record.finishedAt || 0),
    exitCode: record.exitCode,
    image: namedAsAsked(config.image),
    imageRef: record.imageRef,
    imageId: record.imageId,
    reason: record.reason,
    message: record.message,
    labels: config.labels,
    annotations: config.annotations,
    mounts: mountsOf(record, config),
    logPath: record.logPath,
    resources: config.linux?.resources && { linux: config.linux.resources, windows: undefined },
    user: {
      linux: { uid: BigInt(user.uid), gid: BigInt(user.gid), supplementalGroups: user.additionalGids.map(BigInt) },
    },
    stopSignal: stopSignalEnum(record.stopSignal) as Signal,
  };
}

/** The kubelet asks for the image by its ID, and shows this name to people: they know the image by what stands in the pod. */
function namedAsAsked(image: ImageSpec | undefined): ImageSpec | undefined {
  return image?.userSpecifiedImage ? { ...image, image: image.userSpecifiedImage } : image;
}

/** The image of a volume by what it was when it was mounted: a tag may mean another one by now. */
function mountsOf({ imageVolumes = [] }: ContainerRecord, { mounts }: ContainerConfig): Mount[] {
  if (imageVolumes.length === 0) return mounts;
  const ids = new Map(imageVolumes.map(({ index, imageId }) => [index, imageId]));
  return mounts.map((mount, index) => {
    const imageRef = ids.get(index);
    return mount.image && imageRef !== undefined ? { ...mount, image: { ...mount.image, imageRef } } : mount;
  });
}

function verbose({ record }: Container): Record<string, string> {
  return { info: JSON.stringify({ ...record, sandboxID: record.sandboxId, pid: record.process.pid }) };
}
