import type { CheckImagesRequest, CheckImagesResponse } from "../../proto/gen/skiff/v1/admin.ts";
import type { CallContext } from "../rpc/types.ts";
import type { AdminDependencies } from "./dependencies.ts";

export const checkImages =
  ({ images, pods }: AdminDependencies) =>
  async ({ deep, repair }: CheckImagesRequest, { signal }: CallContext): Promise<CheckImagesResponse> => {
    const result = await pods.track(
      "check-images",
      "",
      () => images.check({ deep, repair }, (id) => pods.usersOf(id), signal),
    );
    return { ...result, bytes: BigInt(result.bytes) };
  };
