import type { FilesystemUsage, ImageFsInfoResponse } from "../../../proto/gen/runtime/v1/api.ts";
import type { ImageDependencies } from "./dependencies.ts";

/** From memory: the kubelet asks every ten seconds. */
export const imageFsInfo = ({ images }: ImageDependencies) => (): ImageFsInfoResponse => ({
  imageFilesystems: [shape(images.usage())],
  containerFilesystems: [shape(images.writableUsage())],
});

function shape(usage: { mountpoint: string; usedBytes: number; inodesUsed: number }): FilesystemUsage {
  return {
    timestamp: BigInt(Date.now()) * 1_000_000n,
    fsId: { mountpoint: usage.mountpoint },
    usedBytes: { value: BigInt(usage.usedBytes) },
    inodesUsed: { value: BigInt(usage.inodesUsed) },
  };
}
