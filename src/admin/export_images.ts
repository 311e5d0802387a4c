import type { ExportImagesRequest, ExportImagesResponse } from "../../proto/gen/skiff/v1/admin.ts";
import { Code, RpcError } from "../rpc/status.ts";
import type { CallContext } from "../rpc/types.ts";
import type { AdminDependencies } from "./dependencies.ts";
import { reports } from "./report_queue.ts";

export const exportImages =
  ({ images, pods }: AdminDependencies) =>
  (request: ExportImagesRequest, { signal }: CallContext): AsyncIterable<ExportImagesResponse> => {
    const { path, folder } = request;
    if (!path.startsWith("/") || path.includes("\0")) {
      throw new RpcError(Code.INVALID_ARGUMENT, `path ${JSON.stringify(path)}: must be an absolute path on the node`);
    }
    let last = { bytesDone: 0n, bytesTotal: 0n };
    return reports<ExportImagesResponse, ExportImagesResponse["images"]>(
      async (report) => {
        const written = await pods.track(
          "export-images",
          request.images.join(", "),
          () =>
            images.exportImages(request.images, { path, folder }, {
              signal,
              onProgress: ({ bytesDone, bytesTotal }) => {
                last = { bytesDone: BigInt(bytesDone), bytesTotal: BigInt(bytesTotal) };
                report({ step: "layers", ...last, images: [] });
              },
            }),
        );
        return written.map(({ id, repoTags, size }) => ({ id, names: repoTags, size: BigInt(size) }));
      },
      (images) => ({ step: "done", ...last, images }),
    );
  };
