import { setImmediate } from "node:timers";
import {
  ConnectionError,
  ErrorCode,
  FrameReader,
  FrameType,
  MAX_WINDOW,
  Setting,
  settingsPayload,
  uint32,
} from "./frames.ts";
import { FloodGuard } from "./flood_guard.ts";
import { join } from "./header_block.ts";
import type { Limits } from "./limits.ts";
import { Outbox, type OutboxEvents } from "./outbox.ts";
import { type Accept, CONNECTION_WINDOW, Receiver } from "./receiver.ts";
import { type Stream, STREAM_WINDOW } from "./stream.ts";
import { StreamTable } from "./stream_table.ts";

/** Reads after which the event loop gets a turn: reads that never wait would keep it for themselves. */
const READS_PER_TURN = 64;
const FAREWELL_MILLISECONDS = 250;
const SHUTDOWN_PING = new TextEncoder().encode("shutdown");

export interface ConnectionOptions {
  limits: Limits;
  accept: Accept;
  /** Why a connection ended, when it was not the peer's own wish. */
  onError?(reason: string): void;
}

/** The server's end of one HTTP/2 connection (RFC 9113): its life, its streams, and how they end. */
export class Connection implements OutboxEvents {
  readonly outbox: Outbox;
  readonly streams: StreamTable;
  #conn: Deno.Conn;
  #options: ConnectionOptions;
  #guard: FloodGuard;
  #receiver: Receiver;
  /** The connection ends with its last stream. */
  #draining = false;
  #awaitingPing = false;
  #closed = false;

  constructor(conn: Deno.Conn, options: ConnectionOptions) {
    const { limits, accept } = options;
    this.#conn = conn;
    this.#options = options;
    this.outbox = new Outbox(conn, this, limits);
    this.streams = new StreamTable(limits.maxConcurrentStreams, limits.maxBufferedInBytes);
    this.#guard = new FloodGuard(limits);
    this.#receiver = new Receiver(this, this.#guard, limits, accept);
  }

  /** Serves the connection until its socket is closed. Never throws. */
  async run(): Promise<void> {
    const { limits } = this.#options;
    this.outbox.control(
      FrameType.SETTINGS,
      0,
      0,
      settingsPayload([
        [Setting.MAX_CONCURRENT_STREAMS, limits.maxConcurrentStreams],
        [Setting.INITIAL_WINDOW_SIZE, STREAM_WINDOW],
        [Setting.MAX_HEADER_LIST_SIZE, limits.maxHeaderListBytes],
      ]),
    );
    this.outbox.control(FrameType.WINDOW_UPDATE, 0, 0, uint32(CONNECTION_WINDOW - 65535));
    try {
      await this.#read();
    } catch (error) {
      await this.#sayFarewell(error);
    } finally {
      this.close();
    }
    await this.outbox.stopped();
  }

  /** Says that no new streams are wanted, lets those that run end, then closes (RFC 9113, 6.8). */
  shutdown(): void {
    if (this.#draining || this.#closed) return;
    this.#draining = true;
    this.#awaitingPing = true;
    // Streams already on their way are still served: the final GOAWAY follows the answer to this PING.
    this.outbox.control(FrameType.GOAWAY, 0, 0, uint32(MAX_WINDOW, ErrorCode.NO_ERROR));
    this.outbox.control(FrameType.PING, 0, 0, SHUTDOWN_PING);
  }

  /** Aborts what runs and closes at once. */
  close(reason = "the client went away"): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const stream of this.streams.all()) this.abort(stream, reason);
    this.outbox.close();
    try {
      this.#conn.close();
    } catch {
      // It was closed from the other side.
    }
  }

  /** Ends a stream from our side; what was queued for it is dropped. */
  resetStream(stream: Stream, code: number): void {
    if (stream.closed) return;
    if (!stream.remoteClosed) this.streams.cutShort(stream.id);
    this.#forget(stream);
    this.outbox.drop(stream);
    this.outbox.control(FrameType.RST_STREAM, 0, stream.id, uint32(code));
  }

  /** RST_STREAM for a stream that has no object; the peer pays, since it can cause these without end. */
  refuse(id: number, code: number): void {
    this.#guard.control();
    this.streams.cutShort(id);
    this.outbox.control(FrameType.RST_STREAM, 0, id, uint32(code));
  }

  /** The peer did something wrong on one stream (RFC 9113, 5.4.2). */
  streamError(stream: Stream, code: number, reason: string): void {
    this.#guard.control();
    this.resetStream(stream, code);
    stream.consumer.aborted(reason);
  }

  /** The stream is over without anything more from us. */
  abort(stream: Stream, reason: string): void {
    this.#forget(stream);
    this.outbox.drop(stream);
    stream.consumer.aborted(reason);
  }

  /** The peer has said GOAWAY: what runs is still answered. */
  peerLeaves(): void {
    this.#draining = true;
    this.#closeWhenIdle();
  }

  /** The answer to a PING of ours: after {@link Connection.shutdown}, every stream sent before GOAWAY is here. */
  pinged(payload: Uint8Array): void {
    if (!this.#awaitingPing || payload.some((byte, at) => byte !== SHUTDOWN_PING[at])) return;
    this.#awaitingPing = false;
    this.streams.lastAccepted = this.streams.lastId;
    this.outbox.control(FrameType.GOAWAY, 0, 0, uint32(this.streams.lastId, ErrorCode.NO_ERROR));
    this.#closeWhenIdle();
  }

  // OutboxEvents

  sent(stream: Stream): void {
    const early = !stream.remoteClosed;
    if (early) this.streams.cutShort(stream.id);
    this.#forget(stream);
    // The response is complete, so the rest of the request is not needed (RFC 9113, 8.1).
    if (early) this.outbox.control(FrameType.RST_STREAM, 0, stream.id, uint32(ErrorCode.NO_ERROR));
  }

  sentData(bytes: number): void {
    this.#guard.sentData(bytes);
  }

  broken(reason?: string): void {
    if (reason !== undefined && !this.#closed) this.#options.onError?.(reason);
    this.close();
  }

  async #read(): Promise<void> {
    const reader = new FrameReader();
    // A read that fails is the end of the stream: the peer is gone, or we have closed the connection.
    const source = { read: (into: Uint8Array) => this.#conn.read(into).catch(() => null) };
    let sawPreface = false;
    for (let reads = 1; await reader.fill(source); reads++) {
      if (!sawPreface) {
        const preface = reader.preface();
        if (preface === false) {
          throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "this socket speaks gRPC over HTTP/2");
        }
        if (preface === undefined) continue;
        sawPreface = true;
      }
      while (!this.#closed && reader.next()) {
        this.#receiver.frame(reader.type, reader.flags, reader.streamId, reader.payload);
      }
      if (this.#closed) return;
      if (reads % READS_PER_TURN === 0) await new Promise<void>((resolve) => setImmediate(() => resolve()));
    }
  }

  async #sayFarewell(error: unknown): Promise<void> {
    if (this.#closed) return;
    const code = error instanceof ConnectionError ? error.code : ErrorCode.INTERNAL_ERROR;
    const reason = error instanceof Error ? error.message : String(error);
    this.#options.onError?.(reason);
    const debug = new TextEncoder().encode(reason);
    const payload = join([uint32(this.streams.lastId, code), debug], 8 + debug.length);
    this.outbox.control(FrameType.GOAWAY, 0, 0, payload);
    await this.outbox.flushed(FAREWELL_MILLISECONDS);
  }

  #forget(stream: Stream): void {
    this.streams.remove(stream);
    this.#closeWhenIdle();
  }

  #closeWhenIdle(): void {
    if (!this.#draining || this.#awaitingPing || this.streams.size > 0 || this.#closed) return;
    this.outbox.flushed(FAREWELL_MILLISECONDS).then(() => {
      if (this.streams.size === 0) this.close();
    });
  }
}
