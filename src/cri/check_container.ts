import type { CreateContainerRequest } from "../../proto/gen/runtime/v1/api.ts";
import { Code, RpcError } from "../rpc/status.ts";
import { absolutePath, invalid, nameText, plainText, relativePath, required, textMap } from "./check.ts";

const MAX_MOUNTS = 4096;
const MAX_ENVS = 20_000;
const MAX_ENV_BYTES = 4 << 20;

/** Every string of a CreateContainer request that ends in a path, a line or an argument. What the spec's own sections check is left to oci/. */
export function checkCreateContainer(request: CreateContainerRequest): void {
  plainText("pod_sandbox_id", request.podSandboxId);
  const config = required("config", request.config);
  const metadata = required("config.metadata", config.metadata);
  nameText("config.metadata.name", metadata.name);
  plainText("config.image.image", required("config.image", config.image).image);
  absolutePath("config.working_dir", config.workingDir, { empty: true });
  relativePath("config.log_path", config.logPath);
  for (const { key, value } of config.envs) {
    if (key === "" || key.includes("=") || key.includes("\0")) {
      throw invalid("config.envs", key, "a name must not be empty and must not hold '=' or NUL");
    }
    if (value.includes(0)) throw invalid("config.envs", key, "the value must not hold a NUL byte");
  }
  for (const word of [...config.command, ...config.args]) {
    if (word.includes("\0")) throw invalid("config.command and config.args", word, "must not hold a NUL byte");
  }
  textMap("config.labels", config.labels);
  textMap("config.annotations", config.annotations);
  if (config.mounts.length > MAX_MOUNTS) {
    throw invalid("config.mounts", config.mounts.length, `at most ${MAX_MOUNTS} are taken`);
  }
  if (config.envs.length > MAX_ENVS) throw invalid("config.envs", config.envs.length, `at most ${MAX_ENVS} are taken`);
  const bytes = config.envs.reduce((sum, env) => sum + env.key.length + env.value.length, 0);
  if (bytes > MAX_ENV_BYTES) {
    throw new RpcError(
      Code.INVALID_ARGUMENT,
      `config.envs: ${bytes} bytes together, at most ${MAX_ENV_BYTES} are taken`,
    );
  }
  if (config.CDIDevices.length > 0) throw new RpcError(Code.UNIMPLEMENTED, "config.CDI_devices: not supported yet");
}
