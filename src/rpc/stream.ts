import type { Connection } from "./connection.ts";
import { ReceiveWindow } from "./receive_window.ts";

/** What a stream tells the one who answers it. */
export interface StreamConsumer {
  /** Bytes of the body; a view that is overwritten after the call returns. */
  data(bytes: Uint8Array): void;
  /** The request is complete. */
  end(): void;
  /** The client reset the stream or went away: nothing can be answered any more. */
  aborted(reason: string): void;
}

/** Request bytes that a peer may send ahead on one stream, told to it as SETTINGS_INITIAL_WINDOW_SIZE. */
export const STREAM_WINDOW = 1024 * 1024;
/** Response bytes of one stream that may wait before {@link Stream.drained} makes its producer wait. */
const HIGH_WATER = 64 * 1024;

/** One request and its response. The send side belongs to the {@link Outbox}, which cuts it into frames. */
export class Stream {
  consumer!: StreamConsumer;
  /** Nothing more comes from the peer. */
  remoteClosed = false;
  /** END_STREAM or RST_STREAM went out or came in. */
  closed = false;
  /** A handler runs for it; it counts against the stream limit even after a reset. */
  working = false;
  /** Bytes the request's body must have and has. */
  contentLength: number | undefined;
  received = 0;
  readonly receiveWindow = new ReceiveWindow(STREAM_WINDOW, STREAM_WINDOW / 2);
  /** Bytes of the request counted against the connection's limit. */
  held = 0;

  sendWindow: number;
  /** A header block that goes before the first DATA. */
  head: Uint8Array | undefined;
  parts: Uint8Array[] = [];
  /** Where sending stands: parts[partIndex] from partOffset on. */
  partIndex = 0;
  partOffset = 0;
  pending = 0;
  /** A header block that ends the stream after the last DATA. */
  trailers: Uint8Array | undefined;
  /** It stands in the outbox's queue. */
  queued = false;
  #onDrained: (() => void) | undefined;

  constructor(readonly connection: Connection, readonly id: number, sendWindow: number) {
    this.sendWindow = sendWindow;
  }

  /** Queues a response's header block. */
  sendHead(block: Uint8Array): void {
    if (this.closed) return;
    this.head = block;
    this.connection.outbox.schedule(this);
  }

  /** Queues body bytes, which must not change afterwards. */
  send(parts: Uint8Array[]): void {
    if (this.closed) return;
    for (const part of parts) {
      if (part.length === 0) continue;
      this.parts.push(part);
      this.pending += part.length;
      this.connection.outbox.queuedBytes += part.length;
    }
    this.connection.outbox.schedule(this);
  }

  /** Ends the response with a header block: trailers, or the whole response when nothing was sent before. */
  end(block: Uint8Array): void {
    if (this.closed) return;
    this.trailers = block;
    this.connection.outbox.schedule(this);
  }

  /** Ends the stream with RST_STREAM; what is queued is dropped. */
  reset(code: number): void {
    this.connection.resetStream(this, code);
  }

  /** undefined when more can be sent at once; else settles when the peer has taken enough, or the stream is closed. */
  drained(): Promise<void> | undefined {
    if (this.closed || this.pending <= HIGH_WATER) return undefined;
    return new Promise((resolve) => this.#onDrained = resolve);
  }

  /** The outbox has taken `count` bytes of {@link Stream.parts}. */
  taken(count: number): void {
    this.pending -= count;
    if (this.#onDrained !== undefined && this.pending <= HIGH_WATER) this.#release();
  }

  /** Drops what is queued and lets a waiting producer go on (and find the stream closed). */
  discard(): void {
    this.parts = [];
    this.partIndex = 0;
    this.partOffset = 0;
    this.pending = 0;
    this.head = undefined;
    this.trailers = undefined;
    this.#release();
  }

  #release(): void {
    const resolve = this.#onDrained;
    this.#onDrained = undefined;
    resolve?.();
  }
}
