import { Code, RpcError } from "../rpc/status.ts";
import type { FetchSource } from "./child_events.ts";

/** The same source without its mirrors, where it had some and one of them may be why a pull failed. */
export function wrongBytesFromMirror(source: FetchSource, error: unknown): FetchSource | undefined {
  if (source.kind !== "registry" || source.endpoints.length < 2) return undefined;
  if (!(error instanceof RpcError) || (error.code !== Code.DATA_LOSS && error.code !== Code.FAILED_PRECONDITION)) {
    return undefined;
  }
  return { ...source, endpoints: source.endpoints.filter(({ mirrorOf }) => mirrorOf === undefined) };
}

/** As messages name them. */
export function mirrorsOf(source: FetchSource): string {
  if (source.kind !== "registry") return "";
  return source.endpoints.filter(({ mirrorOf }) => mirrorOf !== undefined).map(({ url }) => url).join(", ");
}
