import type { PullImageProgressRequest, PullImageProgressResponse } from "../../proto/gen/skiff/v1/admin.ts";
import type { PullProgress } from "../images/types.ts";
import { Code, RpcError } from "../rpc/status.ts";
import type { CallContext } from "../rpc/types.ts";
import type { AdminDependencies } from "./dependencies.ts";
import { reports } from "./report_queue.ts";

export const pullImageProgress =
  ({ images, pods }: AdminDependencies) =>
  (request: PullImageProgressRequest, context: CallContext): AsyncIterable<PullImageProgressResponse> => {
    if (request.image === "") throw new RpcError(Code.INVALID_ARGUMENT, "image: must not be empty");
    const auth = request.username ? { username: request.username, password: request.password } : undefined;
    let last: PullProgress = { phase: "resolving", bytesDone: 0, bytesTotal: 0, layersDone: 0, layersTotal: 0 };
    return reports(
      (report: (item: PullImageProgressResponse) => void) =>
        pods.track("pull-image", request.image, (onStep) =>
          images.pull(request.image, auth, {
            signal: context.signal,
            onStep,
            onProgress: (progress) => report(shape(last = progress, "")),
          })),
      (image) => shape({ ...last, phase: "done" }, image.id),
    );
  };

const shape = (progress: PullProgress, imageId: string): PullImageProgressResponse => ({
  phase: progress.phase,
  bytesDone: BigInt(progress.bytesDone),
  bytesTotal: BigInt(progress.bytesTotal),
  layersDone: progress.layersDone,
  layersTotal: progress.layersTotal,
  imageId,
});
