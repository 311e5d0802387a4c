import { type HttpHead, upgradeResponse } from "./http_head.ts";
import { statusBytes } from "./status.ts";
import type { RemoteStreams, StreamSelection, Transport } from "./types.ts";
import { type ChannelCodec, WebSocketChannels } from "./websocket/channels.ts";
import { agree } from "./websocket/handshake.ts";

const STDIN = 0;
const STDOUT = 1;
const STDERR = 2;
const ERROR = 3;
const RESIZE = 4;

interface Protocol extends ChannelCodec {
  /** The status is JSON. */
  json: boolean;
}

const PROTOCOLS: Record<string, Protocol> = {
  "v5.channel.k8s.io": { base64: false, closable: true, json: true },
  "v4.channel.k8s.io": { base64: false, closable: false, json: true },
  "v4.base64.channel.k8s.io": { base64: true, closable: false, json: true },
  "channel.k8s.io": { base64: false, closable: false, json: false },
  "base64.channel.k8s.io": { base64: true, closable: false, json: false },
  "": { base64: false, closable: false, json: false },
};

/** Upgrades to WebSocket channels. HttpRefusal. */
export async function remoteOverWebSocket(
  head: HttpHead,
  transport: Transport,
  selection: StreamSelection,
): Promise<RemoteStreams> {
  const { protocol, headers } = await agree(head, Object.keys(PROTOCOLS));
  await transport.write(upgradeResponse(headers));
  const { json, ...codec } = PROTOCOLS[protocol];
  const channels = new WebSocketChannels(transport, codec);
  const streams: RemoteStreams = {
    stdin: selection.stdin ? channels.source(STDIN) : undefined,
    stdout: selection.stdout ? channels.sink(STDOUT) : undefined,
    stderr: selection.stderr ? channels.sink(STDERR) : undefined,
    resize: selection.tty ? channels.source(RESIZE) : undefined,
    gone: channels.ended,
    async finish(status) {
      try {
        await channels.sink(ERROR).write(statusBytes(status, json));
      } catch {
        // Nobody is there to be told.
      }
      await channels.finish();
    },
  };
  const first = selection.stdout ? STDOUT : selection.stderr ? STDERR : ERROR;
  // A client that has gone is found by whoever serves the streams.
  await channels.greet(first).catch(() => {});
  return streams;
}
