import type { ExecRequest, ExecResponse } from "../../../proto/gen/runtime/v1/api.ts";
import { plainText } from "../check.ts";
import { commandWords } from "../check_command.ts";
import { streamSelection } from "../check_streams.ts";
import type { RuntimeDependencies } from "./dependencies.ts";

export const exec = ({ pods, streaming }: RuntimeDependencies) => (request: ExecRequest): ExecResponse => {
  const selection = streamSelection(request);
  const command = commandWords("cmd", request.cmd);
  const id = plainText("container_id", request.containerId);
  const target = () => pods.execTarget(id, command, selection.tty);
  // Now for what can be said now, and again when the client connects.
  target();
  return { url: streaming.exec({ ...selection, target }) };
};
