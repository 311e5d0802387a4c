import type { HeaderField } from "./hpack_table.ts";

/** What a gRPC request's header list says; other fields are checked and dropped. */
export interface RequestHeaders {
  method: string;
  path: string;
  contentType: string;
  /** Bytes the body must have, when the request says so. */
  contentLength?: number;
  /** `grpc-timeout` and `grpc-encoding` as sent. */
  timeout?: string;
  encoding?: string;
  /** W3C trace context. */
  traceparent?: string;
  /** The list was cut at the limit, so fields may be missing. */
  tooLarge: boolean;
}

/** Fields of a connection, which HTTP/2 forbids (RFC 9113, 8.2.2). */
const CONNECTION_FIELDS = new Set(["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"]);

/**
 * Checks a request's header list (RFC 9113, 8.2 and 8.3).
 * @returns undefined when it is malformed: a stream error of type PROTOCOL_ERROR.
 */
export function parseRequestHeaders(fields: readonly HeaderField[], tooLarge: boolean): RequestHeaders | undefined {
  const headers: RequestHeaders = { method: "", path: "", contentType: "", tooLarge };
  let scheme = "";
  let authority: string | undefined;
  let sawRegular = false;
  for (const field of fields) {
    if (!field.valid) return undefined;
    const { name, value } = field;
    if (name.charCodeAt(0) === 58) {
      if (sawRegular) return undefined;
      if (name === ":path" && headers.path === "") headers.path = value;
      else if (name === ":method" && headers.method === "") headers.method = value;
      else if (name === ":scheme" && scheme === "") scheme = value;
      else if (name === ":authority" && authority === undefined) authority = value;
      else return undefined;
      continue;
    }
    sawRegular = true;
    switch (name) {
      case "content-type":
        headers.contentType = value;
        break;
      case "grpc-timeout":
        headers.timeout = value;
        break;
      case "grpc-encoding":
        headers.encoding = value;
        break;
      case "traceparent":
        headers.traceparent = value;
        break;
      case "content-length":
        if (!/^\d{1,15}$/.test(value)) return undefined;
        if (headers.contentLength !== undefined && headers.contentLength !== Number(value)) return undefined;
        headers.contentLength = Number(value);
        break;
      case "te":
        if (value !== "trailers") return undefined;
        break;
      default:
        if (CONNECTION_FIELDS.has(name)) return undefined;
    }
  }
  if (tooLarge) return headers;
  return headers.path === "" || headers.method === "" || scheme === "" ? undefined : headers;
}

/** Whether a trailer section is well formed: no pseudo fields (RFC 9113, 8.1). */
export function areTrailersValid(fields: readonly HeaderField[]): boolean {
  return fields.every((field) => field.valid && !field.name.startsWith(":"));
}
