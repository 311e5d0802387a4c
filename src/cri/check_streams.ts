import { Code, RpcError } from "../rpc/status.ts";
import type { StreamSelection } from "../streaming/mod.ts";

/** Which streams an exec or attach asks for. INVALID_ARGUMENT when it asks for none, or for stderr beside a terminal. */
export function streamSelection({ stdin, stdout, stderr, tty }: StreamSelection): StreamSelection {
  if (!stdin && !stdout && !stderr) {
    throw new RpcError(Code.INVALID_ARGUMENT, "stdin, stdout, stderr: at least one of them must be set");
  }
  if (tty && stderr) {
    throw new RpcError(Code.INVALID_ARGUMENT, "tty, stderr: a terminal has one output, so only one of them can be set");
  }
  return { stdin, stdout, stderr, tty };
}
