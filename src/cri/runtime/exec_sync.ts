import type { ExecSyncRequest, ExecSyncResponse } from "../../../proto/gen/runtime/v1/api.ts";
import { Code, RpcError } from "../../rpc/mod.ts";
import { invalid, plainText } from "../check.ts";
import type { RuntimeDependencies } from "./dependencies.ts";

export const execSync =
  ({ pods }: RuntimeDependencies) => async (request: ExecSyncRequest): Promise<ExecSyncResponse> => {
    if (request.cmd.length === 0) throw new RpcError(Code.INVALID_ARGUMENT, "cmd: must not be empty");
    for (const word of request.cmd) if (word.includes("\0")) throw invalid("cmd", word, "must not hold a NUL");
    if (request.timeout < 0n) throw invalid("timeout", request.timeout, "must not be negative");
    const { stdout, stderr, exitCode } = await pods.execSync(
      plainText("container_id", request.containerId),
      request.cmd,
      Number(request.timeout),
    );
    return { stdout, stderr, exitCode };
  };
