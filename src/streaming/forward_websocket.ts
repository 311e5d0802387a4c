import { forwardOrTell, type ForwardStream } from "./forward.ts";
import { forwardOverSpdy } from "./forward_spdy.ts";
import { type HttpHead, HttpRefusal, upgradeResponse } from "./http_head.ts";
import { LIMITS } from "./limits.ts";
import type { PortForwardRequest, Transport } from "./types.ts";
import { type ChannelCodec, WebSocketChannels } from "./websocket/channels.ts";
import { agree } from "./websocket/handshake.ts";
import { WebSocketTransport } from "./websocket/transport.ts";

const TUNNEL = "SPDY/3.1+portforward.k8s.io";

const CODECS: Record<string, ChannelCodec> = {
  "v4.channel.k8s.io": { base64: false, closable: false },
  "v4.base64.channel.k8s.io": { base64: true, closable: false },
  "": { base64: false, closable: false },
};

/** Serves forwarded connections over a WebSocket: SPDY inside its messages, or, as of old, two channels for each port. */
export async function forwardOverWebSocket(
  head: HttpHead,
  transport: Transport,
  request: PortForwardRequest,
  pairTimeout: number,
): Promise<void> {
  const { protocol, headers } = await agree(head, [TUNNEL, ...Object.keys(CODECS)]);
  if (protocol === TUNNEL) {
    await transport.write(upgradeResponse(headers));
    return await forwardOverSpdy(new WebSocketTransport(transport), request, pairTimeout);
  }
  if (request.ports.length === 0 || request.ports.length > LIMITS.channelPorts) {
    throw new HttpRefusal(
      400,
      `${request.ports.length} ports were asked for; over channels it must be 1 to ${LIMITS.channelPorts}`,
    );
  }
  await transport.write(upgradeResponse(headers));
  await forwardOverChannels(new WebSocketChannels(transport, CODECS[protocol]), request);
}

/** Channel 2n carries the data of the n-th port, 2n+1 its error; both begin with the port as two bytes, low byte first. */
async function forwardOverChannels(channels: WebSocketChannels, request: PortForwardRequest): Promise<void> {
  const serve = async (port: number, index: number) => {
    const source = channels.source(index * 2);
    const sink = channels.sink(index * 2);
    const errors = channels.sink(index * 2 + 1);
    const data: ForwardStream = {
      read: () => source.read(),
      discard: () => source.discard(),
      write: (bytes) => sink.write(bytes),
      end: () => sink.end(),
      onAbort: (callback) => void channels.ended.then(callback),
    };
    const name = new Uint8Array([port & 0xff, port >> 8]);
    await Promise.all([sink.write(name), errors.write(name)]).catch(() => {});
    await forwardOrTell(request.target, port, data, errors);
    // A channel has no end of its own: what still comes for it must not fill the queue.
    source.discard();
  };
  await Promise.all(request.ports.map(serve));
  await channels.finish();
}
