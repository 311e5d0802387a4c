import type { ImportImageRequest, ImportImageResponse } from "../../proto/gen/skiff/v1/admin.ts";
import { Code, RpcError } from "../rpc/status.ts";
import type { CallContext } from "../rpc/types.ts";
import type { AdminDependencies } from "./dependencies.ts";
import { reports } from "./report_queue.ts";

export const importImage =
  ({ images, pods }: AdminDependencies) =>
  (request: ImportImageRequest, context: CallContext): AsyncIterable<ImportImageResponse> => {
    if (!request.path.startsWith("/") || request.path.includes("\0")) {
      throw new RpcError(
        Code.INVALID_ARGUMENT,
        `path ${JSON.stringify(request.path)}: must be an absolute path on the node`,
      );
    }
    return reports<ImportImageResponse, ImportImageResponse["images"]>(
      async (report) => {
        const imported = await pods.track(
          "import-image",
          request.path,
          (enter) =>
            images.importLayout(request.path, request.name || undefined, {
              signal: context.signal,
              onStep: (step) => {
                enter(step);
                report({ step, images: [] });
              },
            }),
        );
        return imported.map((image) => ({ id: image.id, names: image.repoTags, size: BigInt(image.size) }));
      },
      (images) => ({ step: "done", images }),
    );
  };
