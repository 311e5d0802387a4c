import { buildExecProcess, type ExecResult, type Process, type Spec } from "../oci/mod.ts";
import { Code, RpcError } from "../rpc/status.ts";
import type { Container } from "./catalog.ts";
import type { Context } from "./context.ts";

/** The kubelet refuses a reply of 16 MiB; the rest is for the message around the output. */
const OUTPUT_LIMIT = (16 << 20) - 4096;

/** Runs a command in a running container and waits for it. `timeout` in seconds, 0: none; RpcError DEADLINE_EXCEEDED. */
export async function execSync(context: Context, id: string, command: string[], timeout: number): Promise<ExecResult> {
  const container = context.catalog.container(id);
  if (container.record.state !== "running") {
    throw new RpcError(
      Code.FAILED_PRECONDITION,
      `container ${container.id}: is ${container.record.state}, and a command can only be run in a running one`,
    );
  }
  const process = buildExecProcess(processOf(context, container), command, false);
  return await context.runtime.execSync(container.record.runtime, container.id, process, timeout, OUTPUT_LIMIT);
}

function processOf(context: Context, container: Container): Process {
  return container.process ??=
    (JSON.parse(context.kernel.readText(`${container.record.bundle}/config.json`, 16 << 20)) as Spec).process;
}
