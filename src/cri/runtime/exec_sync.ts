import type { ExecSyncRequest, ExecSyncResponse } from "../../../proto/gen/runtime/v1/api.ts";
import { invalid, plainText } from "../check.ts";
import { commandWords } from "../check_command.ts";
import type { RuntimeDependencies } from "./dependencies.ts";

export const execSync =
  ({ pods }: RuntimeDependencies) => async (request: ExecSyncRequest): Promise<ExecSyncResponse> => {
    const command = commandWords("cmd", request.cmd);
    if (request.timeout < 0n) throw invalid("timeout", request.timeout, "must not be negative");
    const { stdout, stderr, exitCode } = await pods.execSync(
      plainText("container_id", request.containerId),
      command,
      Number(request.timeout),
    );
    return { stdout, stderr, exitCode };
  };
