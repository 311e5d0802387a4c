import { invalid } from "./refusal.ts";
import type { Process } from "./spec.ts";
import { validateProcess } from "./validate.ts";

/** `process` for an exec in a container: as the container's own, with another command. RpcError INVALID_ARGUMENT without one. */
export function buildExecProcess(process: Process, command: string[], terminal: boolean): Process {
  if (command.length === 0) throw invalid("cmd", "there is no command to run");
  const env = terminal && !process.env.some((entry) => entry.startsWith("TERM="))
    ? [...process.env, "TERM=xterm"]
    : process.env;
  const exec: Process = { ...process, args: [...command], env, terminal };
  validateProcess(exec);
  return exec;
}
