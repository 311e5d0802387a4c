import type { PruneImagesRequest, PruneImagesResponse } from "../../proto/gen/skiff/v1/admin.ts";
import type { AdminDependencies } from "./dependencies.ts";

export const pruneImages =
  ({ images, pods }: AdminDependencies) => async (request: PruneImagesRequest): Promise<PruneImagesResponse> => {
    const options = { dryRun: request.dryRun, unusedSeconds: Number(request.unusedSeconds) };
    const prune = () => images.prune(options, (id) => pods.usersOf(id));
    const plan = await (request.dryRun ? prune() : pods.track("prune-images", "", prune));
    return {
      images: plan.images.map(({ id, repoTags, size }) => ({ id, names: repoTags, size: BigInt(size) })),
      bytesFreed: BigInt(plan.bytesFreed),
      kept: plan.kept.map(({ image: { id, repoTags }, reason }) => ({ id, names: repoTags, reason })),
    };
  };
