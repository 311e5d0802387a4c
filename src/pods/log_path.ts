import type { ContainerConfig, PodSandboxConfig } from "../../proto/gen/runtime/v1/api.ts";
import { Code, RpcError } from "../rpc/status.ts";
import {
  ENOENT,
  isErrno,
  type Kernel,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  RESOLVE_BENEATH,
  RESOLVE_NO_SYMLINKS,
} from "../sys/mod.ts";

/**
 * Absolute path of the container's log; empty: none. RpcError INVALID_ARGUMENT if a symbolic link is in the way: whoever
 * can write to the pod's log folder must not choose which file of the node is written.
 */
export function containerLogPath(kernel: Kernel, pod: PodSandboxConfig, { logPath }: ContainerConfig): string {
  if (logPath === "" || pod.logDirectory === "") return "";
  kernel.mkdirs(pod.logDirectory, 0o755);
  const folder = kernel.open(pod.logDirectory, O_PATH | O_DIRECTORY);
  try {
    kernel.close(
      kernel.openat2(folder, logPath, { flags: O_PATH | O_NOFOLLOW, resolve: RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS }),
    );
  } catch (error) {
    if (!isErrno(error, ENOENT)) {
      throw new RpcError(
        Code.INVALID_ARGUMENT,
        `config.log_path ${JSON.stringify(logPath)}: must lead below ${pod.logDirectory} without symbolic links`,
        { cause: error },
      );
    }
  } finally {
    kernel.close(folder);
  }
  return `${pod.logDirectory}/${logPath}`;
}
