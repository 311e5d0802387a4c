import { attachLink, buildExecProcess, type ExecResult, type Process, type Spec } from "../oci/mod.ts";
import { Code, RpcError } from "../rpc/status.ts";
import type { AttachTarget, ExecTarget, PortForwardTarget } from "../streaming/mod.ts";
import type { Container } from "./catalog.ts";
import type { Context } from "./context.ts";
import type { ContainerRecord } from "./types.ts";
import { onNode, type Owner } from "./user_namespace.ts";

/** The kubelet refuses a reply of 16 MiB; the rest is for the message around the output. */
const OUTPUT_LIMIT = (16 << 20) - 4096;

/** Runs a command in a running container and waits for it. `timeout` in seconds, 0: none; RpcError DEADLINE_EXCEEDED. */
export async function execSync(context: Context, id: string, command: string[], timeout: number): Promise<ExecResult> {
  const container = running(context, id);
  const { record } = container;
  const process = buildExecProcess(processOf(context, container), command, false);
  const owner = ownerOf(context, record, process);
  return await context.runtime.execSync(record.runtime, record.id, process, timeout, OUTPUT_LIMIT, owner);
}

/** A command that is to run with a client as its input and output. RpcError NOT_FOUND, FAILED_PRECONDITION, INVALID_ARGUMENT. */
export function execTarget(context: Context, id: string, command: string[], tty: boolean): ExecTarget {
  const container = running(context, id);
  const { record } = container;
  const process = buildExecProcess(processOf(context, container), command, tty);
  return {
    ...ownerOf(context, record, process),
    start: (stdio) => context.runtime.exec(record.runtime, record.id, process, stdio),
    startOnTerminal: (size) => context.runtime.execOnTerminal(record.runtime, record.id, process, size),
  };
}

/** Who the command is on the node: its input and output belong to it. */
function ownerOf({ catalog }: Context, record: ContainerRecord, { user }: Process): Owner {
  return onNode(user, catalog.sandbox(record.sandboxId).record.userns);
}

/** The container's own streams. RpcError NOT_FOUND, FAILED_PRECONDITION. */
export function attachTarget(context: Context, id: string): AttachTarget {
  const { record } = context.catalog.container(id);
  if (record.state === "exited") {
    throw new RpcError(Code.FAILED_PRECONDITION, `container ${record.id}: has ended, and so have its streams`);
  }
  return {
    socket: `${attachLink(context.config.state, record.id)}/attach`,
    resize: (rows, columns) => context.monitor.resizeTerminal(record.bundle, rows, columns),
  };
}

/** Where connections to the pod's ports are made. RpcError NOT_FOUND, FAILED_PRECONDITION. */
export function portForwardTarget(context: Context, id: string): PortForwardTarget {
  const { record } = context.catalog.sandbox(id);
  if (record.state !== "ready") {
    throw new RpcError(
      Code.FAILED_PRECONDITION,
      `pod sandbox ${record.id}: has been stopped, and nothing listens in it`,
    );
  }
  return { id: record.id, netns: record.netns };
}

/** RpcError NOT_FOUND or FAILED_PRECONDITION. */
function running(context: Context, id: string): Container {
  const container = context.catalog.container(id);
  if (container.record.state === "running") return container;
  throw new RpcError(
    Code.FAILED_PRECONDITION,
    `container ${container.id}: is ${container.record.state}, and a command can only be run in a running one`,
  );
}

function processOf(context: Context, container: Container): Process {
  return container.process ??=
    (JSON.parse(context.kernel.readText(`${container.record.bundle}/config.json`, 16 << 20)) as Spec).process;
}
