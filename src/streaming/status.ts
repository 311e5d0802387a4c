import type { Status } from "./types.ts";

export const SUCCESS: Status = { status: "Success" };

/** A command that has run and said so by its exit code. */
export function exitStatus(code: number): Status {
  if (code === 0) return SUCCESS;
  return {
    status: "Failure",
    reason: "NonZeroExitCode",
    message: `command terminated with non-zero exit code: exit status ${code}`,
    details: { causes: [{ reason: "ExitCode", message: String(code) }] },
  };
}

/** Something that went wrong on our side of the command. */
export function internalError(message: string): Status {
  return { status: "Failure", reason: "InternalError", code: 500, message: `Internal error occurred: ${message}` };
}

const encoder = new TextEncoder();

/** What goes over the error stream: JSON from protocol version 4 on, before that the bare message, and nothing for success. */
export function statusBytes(status: Status, json: boolean): Uint8Array {
  if (json) return encoder.encode(JSON.stringify({ metadata: {}, ...status }));
  return encoder.encode(status.status === "Success" ? "" : status.message);
}
