import type { ListPullsRequest, ListPullsResponse } from "../../proto/gen/skiff/v1/admin.ts";
import type { AdminDependencies } from "./dependencies.ts";

export const listPulls = ({ images }: AdminDependencies) => (_request: ListPullsRequest): ListPullsResponse => ({
  pulls: images.pulls().map((pull) => ({
    image: pull.image,
    phase: pull.phase,
    bytesDone: BigInt(pull.bytesDone),
    bytesTotal: BigInt(pull.bytesTotal),
    layersDone: pull.layersDone,
    layersTotal: pull.layersTotal,
    bytesPerSecond: BigInt(pull.bytesPerSecond ?? 0),
    startedAt: BigInt(pull.startedAt ?? 0) * 1_000_000n,
  })),
});
