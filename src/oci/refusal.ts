import { Code, RpcError } from "../rpc/status.ts";

const QUOTED_LENGTH = 200;

/** A request that cannot be carried out as asked: names the field and says why. */
export function invalid(field: string, why: string, cause?: unknown): RpcError {
  return new RpcError(Code.INVALID_ARGUMENT, `${field}: ${why}`, cause === undefined ? undefined : { cause });
}

/** A request that this node could carry out with another runtime or kernel. */
export function failedPrecondition(field: string, why: string): RpcError {
  return new RpcError(Code.FAILED_PRECONDITION, `${field}: ${why}`);
}

/** A part of the CRI that skiff does not have. */
export function unimplemented(field: string, why: string): RpcError {
  return new RpcError(Code.UNIMPLEMENTED, `${field}: ${why}`);
}

/** Untrusted text for an error message: escaped and cut. */
export function quote(text: string): string {
  return JSON.stringify(text.length > QUOTED_LENGTH ? text.slice(0, QUOTED_LENGTH) + "…" : text);
}
