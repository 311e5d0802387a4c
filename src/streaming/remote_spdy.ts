import { headerItems, type HttpHead, HttpRefusal, upgradeResponse } from "./http_head.ts";
import { LIMITS } from "./limits.ts";
import { SpdySession } from "./spdy/session.ts";
import type { SpdyStream } from "./spdy/stream.ts";
import { statusBytes } from "./status.ts";
import type { RemoteStreams, StreamSelection, Transport } from "./types.ts";

const V1 = "channel.k8s.io";
const V4 = "v4.channel.k8s.io";
const SUPPORTED = [V4, "v3.channel.k8s.io", "v2.channel.k8s.io", V1];
const WITH_RESIZE = [V4, "v3.channel.k8s.io"];

export const SPDY_UPGRADE = "spdy/3.1";

/** The client's first choice among `supported`; undefined when it names none. HttpRefusal 403 when none fits. */
export function agreeOnProtocol(head: HttpHead, supported: readonly string[]): string | undefined {
  const offered = headerItems(head, "x-stream-protocol-version");
  const chosen = offered.find((one) => supported.includes(one));
  if (offered.length > 0 && chosen === undefined) {
    throw new HttpRefusal(403, `none of the offered protocols is spoken here: offer one of ${supported.join(", ")}`, {
      "X-Accepted-Stream-Protocol-Versions": supported.join(","),
    });
  }
  return chosen;
}

/** Changes the connection to SPDY. */
export async function upgradeToSpdy(transport: Transport, protocol: string | undefined): Promise<void> {
  const headers: Record<string, string> = { Upgrade: "SPDY/3.1" };
  if (protocol !== undefined) headers["X-Stream-Protocol-Version"] = protocol;
  await transport.write(upgradeResponse(headers));
}

/**
 * Upgrades, and waits until the client has opened the streams that the request asked for. Undefined when it has not
 * done so within `timeout` milliseconds, or has gone: the connection is closed then.
 */
export async function remoteOverSpdy(
  head: HttpHead,
  transport: Transport,
  selection: StreamSelection,
  timeout: number,
): Promise<RemoteStreams | undefined> {
  // A client that names no protocol is older than their names.
  const protocol = agreeOnProtocol(head, SUPPORTED) ?? V1;
  const offered = head.headers.has("x-stream-protocol-version");
  await upgradeToSpdy(transport, offered ? protocol : undefined);

  const expected = new Set(["error", ...(["stdin", "stdout", "stderr"] as const).filter((name) => selection[name])]);
  if (selection.tty && WITH_RESIZE.includes(protocol)) expected.add("resize");
  const streams = new Map<string, SpdyStream>();
  const complete = Promise.withResolvers<void>();
  const session = new SpdySession(transport, {
    maxStreams: LIMITS.remoteCommandStreams,
    onStream(stream) {
      const type = stream.headers.get("streamtype") ?? "";
      if (!expected.has(type) || streams.has(type)) return false;
      streams.set(type, stream);
      if (streams.size === expected.size) complete.resolve();
      return true;
    },
  });
  const timer = setTimeout(() => transport.close(), timeout);
  await Promise.race([complete.promise, session.ended]);
  clearTimeout(timer);
  if (streams.size < expected.size) return undefined;

  return {
    stdin: streams.get("stdin"),
    stdout: streams.get("stdout"),
    stderr: streams.get("stderr"),
    resize: streams.get("resize"),
    gone: session.ended,
    async finish(status) {
      try {
        await streams.get("error")!.write(statusBytes(status, protocol === V4));
      } catch {
        // Nobody is there to be told.
      }
      await session.finish();
    },
  };
}
