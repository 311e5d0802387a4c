import { forwardOrTell, parsePort } from "./forward.ts";
import { LIMITS } from "./limits.ts";
import { SpdySession } from "./spdy/session.ts";
import type { SpdyStream } from "./spdy/stream.ts";
import type { PortForwardRequest, Transport } from "./types.ts";

export const PORT_FORWARD_PROTOCOL = "portforward.k8s.io";

interface Pair {
  data?: SpdyStream;
  error?: SpdyStream;
  /** Gives the pair up when its other half does not come. */
  timer: ReturnType<typeof setTimeout>;
}

/** Serves forwarded connections, each a stream for data and one for an error, until the client has gone. */
export async function forwardOverSpdy(
  transport: Transport,
  request: PortForwardRequest,
  pairTimeout: number,
): Promise<void> {
  const pairs = new Map<string, Pair>();
  const session = new SpdySession(transport, {
    maxStreams: LIMITS.portForwardStreams,
    onStream(stream) {
      const type = stream.headers.get("streamtype");
      const port = parsePort(stream.headers.get("port") ?? "");
      if (port === undefined || (type !== "data" && type !== "error")) return false;
      const id = requestId(stream, type);
      const pair: Pair = pairs.get(id) ?? { timer: setTimeout(() => giveUp(id), pairTimeout) };
      if (pair[type] !== undefined) return false;
      pair[type] = stream;
      pairs.set(id, pair);
      if (pair.data !== undefined && pair.error !== undefined) {
        clearTimeout(pair.timer);
        pairs.delete(id);
        serve(pair.data, pair.error, port);
      }
      return true;
    },
  });
  const serve = async (data: SpdyStream, error: SpdyStream, port: number) => {
    // Nothing is expected from the client on it, and the stream must not stay for want of its end.
    error.discard();
    await forwardOrTell(request.target, port, data, error);
    session.forget(data);
    session.forget(error);
  };
  const giveUp = async (id: string) => {
    const pair = pairs.get(id);
    pairs.delete(id);
    for (const stream of [pair?.error, pair?.data]) {
      if (stream === undefined) continue;
      await stream.end().catch(() => {});
      session.forget(stream);
    }
  };
  await session.ended;
  for (const { timer } of pairs.values()) clearTimeout(timer);
}

/** Old clients send no request id, but open the error stream of a connection right before its data stream. */
function requestId(stream: SpdyStream, type: "data" | "error"): string {
  return stream.headers.get("requestid") || String(type === "error" ? stream.id : stream.id - 2);
}
