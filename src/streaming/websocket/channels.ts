import { WRITE_BYTES } from "../frame_writer.ts";
import { ByteQueue } from "../queue.ts";
import type { ByteSink, ByteSource, Transport } from "../types.ts";
import { CLOSE_INVALID_DATA, WebSocketError } from "./error.ts";
import type { MessagePiece } from "./frames.ts";
import { WebSocketSession } from "./session.ts";

/** In place of a channel: the byte after it names a channel that the client has ended (v5). */
const CLOSE_SIGNAL = 255;
const ZERO = 48;

export interface ChannelCodec {
  /** Messages are text: a digit for the channel, then base64. */
  base64: boolean;
  /** The client may end a channel. */
  closable: boolean;
}

/** Kubernetes' channels over a WebSocket: the first byte of a message is the number of the channel that the rest belongs to. */
export class WebSocketChannels {
  readonly #session: WebSocketSession;
  readonly #sources = new Map<number, ByteQueue>();
  /** Of the message that is coming in; undefined before its first byte. */
  #channel?: number;
  #closing?: number;
  /** Base64 digits that wait for the rest of their group. */
  #digits = "";

  constructor(transport: Transport, private readonly codec: ChannelCodec) {
    this.#session = new WebSocketSession(transport, (piece) => this.#take(piece));
    this.#session.ended.then(() => {
      for (const source of this.#sources.values()) source.end();
    });
  }

  /** Resolves when the client has gone. */
  get ended(): Promise<void> {
    return this.#session.ended;
  }

  /** To be called right after the constructor: what comes for a channel that nobody reads is dropped. */
  source(channel: number): ByteSource {
    const queue = new ByteQueue(this.#session.budget);
    this.#sources.set(channel, queue);
    return queue;
  }

  sink(channel: number): ByteSink {
    return { write: (bytes) => this.#write(channel, bytes), end: () => Promise.resolve() };
  }

  /** An empty message: tells the client that the connection stands. */
  greet(channel: number): Promise<void> {
    return this.#send(channel, new Uint8Array(0));
  }

  /** Closes the connection once the client has what it was sent. Never rejects. */
  async finish(): Promise<void> {
    for (const source of this.#sources.values()) source.discard();
    await this.#session.finish();
  }

  async #write(channel: number, bytes: Uint8Array): Promise<void> {
    const step = this.codec.base64 ? WRITE_BYTES / 4 * 3 : WRITE_BYTES;
    for (let offset = 0; offset < bytes.length; offset += step) {
      await this.#send(channel, bytes.subarray(offset, offset + step));
    }
  }

  #send(channel: number, bytes: Uint8Array): Promise<void> {
    if (!this.codec.base64) return this.#session.send("binary", bytes, channel);
    return this.#session.send("text", new TextEncoder().encode(bytes.toBase64()), ZERO + channel);
  }

  #take({ first, last, bytes }: MessagePiece): void {
    let rest = bytes;
    if (first) {
      this.#channel = undefined;
      this.#closing = undefined;
      this.#digits = "";
    }
    if (this.#channel === undefined && rest.length > 0) {
      this.#channel = this.codec.base64 ? rest[0] - ZERO : rest[0];
      rest = rest.subarray(1);
    }
    if (this.#channel === undefined) return;
    if (this.codec.closable && this.#channel === CLOSE_SIGNAL) return this.#takeClose(rest, last);
    const source = this.#sources.get(this.#channel);
    source?.pushOwned(this.codec.base64 ? this.#decode(rest, last) : rest);
  }

  #takeClose(rest: Uint8Array, last: boolean): void {
    for (const channel of rest) {
      if (this.#closing !== undefined) throw new WebSocketError(CLOSE_INVALID_DATA, "one channel is closed at a time");
      this.#closing = channel;
    }
    if (!last) return;
    if (this.#closing === undefined) throw new WebSocketError(CLOSE_INVALID_DATA, "no channel is named to be closed");
    this.#sources.get(this.#closing)?.end();
  }

  #decode(bytes: Uint8Array, last: boolean): Uint8Array {
    const digits = this.#digits + new TextDecoder("latin1").decode(bytes);
    const whole = last ? digits.length : digits.length - digits.length % 4;
    this.#digits = digits.slice(whole);
    try {
      return Uint8Array.fromBase64(digits.slice(0, whole), { lastChunkHandling: "strict" });
    } catch {
      throw new WebSocketError(CLOSE_INVALID_DATA, "a message is not base64");
    }
  }
}
