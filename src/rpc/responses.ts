import { encodeHeaders } from "./hpack_encoder.ts";
import { encodeGrpcMessage } from "./percent.ts";
import type { Code } from "./status.ts";

/** Header blocks of responses. They use no dynamic table, so those that never change are made once. */

const GRPC_HEAD: [string, string][] = [[":status", "200"], ["content-type", "application/grpc"]];

export const RESPONSE_HEAD = encodeHeaders(GRPC_HEAD);
export const OK_TRAILERS = encodeHeaders([["grpc-status", "0"]]);
/** The response ends with its body. */
export const NO_TRAILERS = new Uint8Array();
export const UNSUPPORTED_MEDIA_TYPE = encodeHeaders([[":status", "415"], ["content-type", "text/plain"]]);

function statusFields(code: Code, message: string): [string, string][] {
  const fields: [string, string][] = [["grpc-status", String(code)]];
  if (message !== "") fields.push(["grpc-message", encodeGrpcMessage(message)]);
  return fields;
}

/** Trailers after messages. */
export function errorTrailers(code: Code, message: string): Uint8Array {
  return encodeHeaders(statusFields(code, message));
}

/** A whole response without a message. */
export function trailersOnly(code: Code, message: string, extra: [string, string][] = []): Uint8Array {
  return encodeHeaders([...GRPC_HEAD, ...extra, ...statusFields(code, message)]);
}
