import { setImmediate } from "node:timers";
import {
  ConnectionError,
  ErrorCode,
  Flag,
  FrameReader,
  FrameType,
  MAX_PAYLOAD,
  MAX_WINDOW,
  parseSettings,
  readUint32,
  Setting,
  settingsPayload,
  uint32,
  withoutPadding,
} from "./frames.ts";
import { type HeaderBlock, HeaderBlockAssembler } from "./header_block.ts";
import { type HeaderList, HpackDecoder } from "./hpack_decoder.ts";
import { Budget, type Limits } from "./limits.ts";
import { Outbox, type OutboxEvents } from "./outbox.ts";
import { areTrailersValid, parseRequestHeaders, type RequestHeaders } from "./request_headers.ts";
import { Stream, type StreamConsumer } from "./stream.ts";

/** Receive windows: what a peer may send ahead on a stream, and on all streams of the connection. */
const STREAM_WINDOW = 1024 * 1024;
const CONNECTION_WINDOW = 4 * 1024 * 1024;
/** Reads after which the event loop gets a turn: reads that never wait would keep it for themselves. */
const READS_PER_TURN = 64;
const FAREWELL_MILLISECONDS = 250;
const SHUTDOWN_PING = new TextEncoder().encode("shutdown");

export interface ConnectionOptions {
  limits: Limits;
  /** Finds who answers a request; called once per stream, before any of its body. */
  accept(stream: Stream, headers: RequestHeaders): StreamConsumer;
  /** Why a connection ended, when it was not the peer's own wish. */
  onError?(reason: string): void;
}

/** The server's end of one HTTP/2 connection (RFC 9113). */
export class Connection implements OutboxEvents {
  readonly outbox: Outbox;
  #conn: Deno.Conn;
  #options: ConnectionOptions;
  #reader = new FrameReader();
  #decoder: HpackDecoder;
  #assembler: HeaderBlockAssembler;
  #streams = new Map<number, Stream>();
  /** Streams that we ended before the peer did: what is still on its way for them is no error. */
  #cutShort = new Set<number>();
  #lastId = 0;
  /** Streams above this are not taken any more, once a final GOAWAY has named it. */
  #lastAccepted = MAX_WINDOW;
  #peerWindow = 65535;
  #receiveWindow = CONNECTION_WINDOW;
  #uncredited = 0;
  #held = 0;
  /** Handlers that run on for streams that are gone. */
  #lingering = 0;
  #sawSettings = false;
  #draining = false;
  #awaitingPing = false;
  #closed = false;
  #control: Budget;
  #resets: Budget;
  #windowUpdates: Budget;

  constructor(conn: Deno.Conn, options: ConnectionOptions) {
    const { limits } = options;
    this.#conn = conn;
    this.#options = options;
    this.outbox = new Outbox(conn, this, limits);
    this.#decoder = new HpackDecoder(limits.maxHeaderListBytes);
    this.#assembler = new HeaderBlockAssembler(limits);
    this.#control = new Budget(limits.controlBurst, limits.controlPerSecond);
    this.#resets = new Budget(limits.resetBurst, limits.resetsPerSecond);
    this.#windowUpdates = new Budget(limits.windowUpdateBurst, 0);
  }

  /** Serves the connection until either side ends it. Never throws. */
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
      if (error instanceof ConnectionError && !this.#closed) {
        this.#options.onError?.(error.message);
        const debug = new TextEncoder().encode(error.message);
        this.outbox.control(FrameType.GOAWAY, 0, 0, concat(uint32(this.#lastId, error.code), debug));
        await this.outbox.flushed(FAREWELL_MILLISECONDS);
      }
    } finally {
      this.close();
    }
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
    for (const stream of [...this.#streams.values()]) this.#abort(stream, reason);
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
    if (!stream.remoteClosed) this.#rememberCutShort(stream.id);
    this.#forget(stream);
    this.outbox.drop(stream);
    this.outbox.control(FrameType.RST_STREAM, 0, stream.id, uint32(code));
  }

  /** The handler of a stream begins or ends. */
  setWorking(stream: Stream, working: boolean): void {
    if (stream.working === working) return;
    stream.working = working;
    if (stream.closed && !working) this.#lingering--;
  }

  /** Counts request bytes kept in memory; false when the connection may not keep more. */
  hold(stream: Stream, bytes: number): boolean {
    if (this.#held + bytes > this.#options.limits.maxBufferedInBytes) return false;
    this.#held += bytes;
    stream.held += bytes;
    return true;
  }

  // OutboxEvents

  sent(stream: Stream): void {
    const early = !stream.remoteClosed;
    if (early) this.#rememberCutShort(stream.id);
    this.#forget(stream);
    // The response is complete, so the rest of the request is not needed (RFC 9113, 8.1).
    if (early) this.outbox.control(FrameType.RST_STREAM, 0, stream.id, uint32(ErrorCode.NO_ERROR));
  }

  sentData(bytes: number): void {
    this.#windowUpdates.earn(bytes / 1024);
    this.#control.earn(1);
  }

  broken(reason: string): void {
    if (!this.#closed) this.#options.onError?.(reason);
    this.close();
  }

  async #read(): Promise<void> {
    const reader = this.#reader;
    let sawPreface = false;
    for (let reads = 1; await reader.fill(this.#conn); reads++) {
      if (!sawPreface) {
        const preface = reader.preface();
        if (preface === false) {
          throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "this socket speaks gRPC over HTTP/2");
        }
        if (preface === undefined) continue;
        sawPreface = true;
      }
      while (!this.#closed && reader.next()) this.#frame(reader.type, reader.flags, reader.streamId, reader.payload);
      if (this.#closed) return;
      if (reads % READS_PER_TURN === 0) await new Promise<void>((resolve) => setImmediate(() => resolve()));
    }
  }

  #frame(type: number, flags: number, id: number, payload: Uint8Array): void {
    if (!this.#sawSettings && type !== FrameType.SETTINGS) {
      fail(ErrorCode.PROTOCOL_ERROR, "the first frame is not SETTINGS");
    }
    if (this.#assembler.isOpen && type !== FrameType.CONTINUATION) {
      fail(ErrorCode.PROTOCOL_ERROR, "a header block is interrupted");
    }
    switch (type) {
      case FrameType.DATA:
        return this.#data(flags, id, payload);
      case FrameType.HEADERS: {
        if (id % 2 === 0) fail(ErrorCode.PROTOCOL_ERROR, `HEADERS on stream ${id}`);
        const block = this.#assembler.headers(id, flags, payload);
        return block && this.#headers(block);
      }
      case FrameType.CONTINUATION: {
        const block = this.#assembler.continuation(id, flags, payload);
        return block && this.#headers(block);
      }
      case FrameType.PRIORITY:
        return this.#priority(id, payload);
      case FrameType.RST_STREAM:
        return this.#reset(id, payload);
      case FrameType.SETTINGS:
        return this.#settings(flags, id, payload);
      case FrameType.PING:
        return this.#ping(flags, id, payload);
      case FrameType.GOAWAY:
        if (id !== 0) fail(ErrorCode.PROTOCOL_ERROR, "GOAWAY on a stream");
        if (payload.length < 8) fail(ErrorCode.FRAME_SIZE_ERROR, "GOAWAY length");
        this.#draining = true;
        return this.#closeWhenIdle();
      case FrameType.WINDOW_UPDATE:
        return this.#windowUpdate(id, payload);
      case FrameType.PUSH_PROMISE:
        return fail(ErrorCode.PROTOCOL_ERROR, "PUSH_PROMISE from a client");
      default:
        this.#spendControl();
    }
  }

  #data(flags: number, id: number, framePayload: Uint8Array): void {
    if (this.#isIdle(id)) fail(ErrorCode.PROTOCOL_ERROR, `DATA on idle stream ${id}`);
    const size = framePayload.length;
    const ends = (flags & Flag.END_STREAM) !== 0;
    if (size === 0 && !ends) this.#spendControl();
    const payload = withoutPadding(flags, framePayload);
    this.#receiveWindow -= size;
    if (this.#receiveWindow < 0) fail(ErrorCode.FLOW_CONTROL_ERROR, "more DATA than the connection's window");
    this.#uncredited += size;
    if (this.#uncredited >= CONNECTION_WINDOW / 4) {
      this.outbox.control(FrameType.WINDOW_UPDATE, 0, 0, uint32(this.#uncredited));
      this.#receiveWindow += this.#uncredited;
      this.#uncredited = 0;
    }
    const stream = this.#streams.get(id);
    if (stream === undefined) {
      if (!this.#cutShort.has(id)) this.#refuse(id, ErrorCode.STREAM_CLOSED);
      return;
    }
    if (stream.remoteClosed) return this.#streamError(stream, ErrorCode.STREAM_CLOSED, "DATA after END_STREAM");
    stream.receiveWindow -= size;
    if (stream.receiveWindow < 0) {
      return this.#streamError(stream, ErrorCode.FLOW_CONTROL_ERROR, "more DATA than the stream's window");
    }
    stream.received += payload.length;
    if (payload.length > 0) stream.consumer.data(payload);
    if (stream.closed) return;
    if (ends) return this.#remoteEnd(stream);
    stream.uncredited += size;
    if (stream.uncredited >= STREAM_WINDOW / 2) {
      this.outbox.control(FrameType.WINDOW_UPDATE, 0, id, uint32(stream.uncredited));
      stream.receiveWindow += stream.uncredited;
      stream.uncredited = 0;
    }
  }

  #headers(block: HeaderBlock): void {
    let list: HeaderList;
    try {
      list = this.#decoder.decode(block.bytes);
    } catch (error) {
      fail(ErrorCode.COMPRESSION_ERROR, (error as Error).message);
    }
    const id = block.streamId;
    const open = this.#streams.get(id);
    if (open !== undefined) {
      if (open.remoteClosed) return this.#streamError(open, ErrorCode.STREAM_CLOSED, "HEADERS after END_STREAM");
      if (!block.endStream || !areTrailersValid(list.fields)) {
        return this.#streamError(open, ErrorCode.PROTOCOL_ERROR, "malformed trailers");
      }
      return this.#remoteEnd(open);
    }
    if (id <= this.#lastId) {
      if (this.#cutShort.has(id)) return;
      fail(ErrorCode.STREAM_CLOSED, `HEADERS on closed stream ${id}`);
    }
    this.#lastId = id;
    if (id > this.#lastAccepted || this.#streams.size + this.#lingering >= this.#options.limits.maxConcurrentStreams) {
      return this.#refuse(id, ErrorCode.REFUSED_STREAM);
    }
    const headers = parseRequestHeaders(list.fields, list.tooLarge);
    if (headers === undefined || block.dependsOnItself) return this.#refuse(id, ErrorCode.PROTOCOL_ERROR);
    const stream = new Stream(this, id, this.#peerWindow, STREAM_WINDOW);
    stream.contentLength = headers.contentLength;
    this.#streams.set(id, stream);
    this.#control.earn(1);
    stream.consumer = this.#options.accept(stream, headers);
    if (block.endStream && !stream.closed) this.#remoteEnd(stream);
  }

  #remoteEnd(stream: Stream): void {
    stream.remoteClosed = true;
    if (stream.contentLength !== undefined && stream.contentLength !== stream.received) {
      return this.#streamError(stream, ErrorCode.PROTOCOL_ERROR, "content-length is not the length of the body");
    }
    stream.consumer.end();
  }

  #priority(id: number, payload: Uint8Array): void {
    this.#spendControl();
    if (id === 0) fail(ErrorCode.PROTOCOL_ERROR, "PRIORITY on the connection");
    const code = payload.length !== 5
      ? ErrorCode.FRAME_SIZE_ERROR
      : (readUint32(payload, 0) & MAX_WINDOW) === id
      ? ErrorCode.PROTOCOL_ERROR
      : undefined;
    if (code === undefined) return;
    const stream = this.#streams.get(id);
    if (stream === undefined) this.#refuse(id, code);
    else this.#streamError(stream, code, "malformed PRIORITY");
  }

  #reset(id: number, payload: Uint8Array): void {
    if (this.#isIdle(id)) fail(ErrorCode.PROTOCOL_ERROR, `RST_STREAM on idle stream ${id}`);
    if (payload.length !== 4) fail(ErrorCode.FRAME_SIZE_ERROR, "RST_STREAM length");
    const stream = this.#streams.get(id);
    if (stream === undefined) return this.#spendControl();
    if (!this.#resets.take()) fail(ErrorCode.ENHANCE_YOUR_CALM, "too many streams are reset");
    this.#abort(stream, "the client cancelled the call");
    this.#closeWhenIdle();
  }

  #settings(flags: number, id: number, payload: Uint8Array): void {
    if (id !== 0) fail(ErrorCode.PROTOCOL_ERROR, "SETTINGS on a stream");
    this.#sawSettings = true;
    if (flags & Flag.ACK) {
      if (payload.length > 0) fail(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS ACK with a payload");
      return this.#spendControl();
    }
    this.#spendControl();
    for (const [key, value] of parseSettings(payload)) {
      if (key === Setting.ENABLE_PUSH && value > 1) fail(ErrorCode.PROTOCOL_ERROR, "ENABLE_PUSH");
      else if (key === Setting.HEADER_TABLE_SIZE && value < 4096) this.outbox.tableUpdateDue = true;
      else if (key === Setting.INITIAL_WINDOW_SIZE) this.#setPeerWindow(value);
      else if (key === Setting.MAX_FRAME_SIZE) {
        if (value < MAX_PAYLOAD || value > 0xffffff) fail(ErrorCode.PROTOCOL_ERROR, "MAX_FRAME_SIZE");
      }
    }
    this.outbox.control(FrameType.SETTINGS, Flag.ACK, 0);
  }

  #setPeerWindow(value: number): void {
    if (value > MAX_WINDOW) fail(ErrorCode.FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE");
    const change = value - this.#peerWindow;
    this.#peerWindow = value;
    for (const stream of this.#streams.values()) {
      stream.sendWindow += change;
      if (stream.sendWindow > MAX_WINDOW) {
        fail(ErrorCode.FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE makes a window too large");
      }
      if (stream.pending > 0 && stream.sendWindow > 0) this.outbox.schedule(stream);
    }
  }

  #ping(flags: number, id: number, payload: Uint8Array): void {
    if (id !== 0) fail(ErrorCode.PROTOCOL_ERROR, "PING on a stream");
    if (payload.length !== 8) fail(ErrorCode.FRAME_SIZE_ERROR, "PING length");
    this.#spendControl();
    if ((flags & Flag.ACK) === 0) {
      this.outbox.control(FrameType.PING, Flag.ACK, 0, payload);
    } else if (this.#awaitingPing && payload.every((byte, at) => byte === SHUTDOWN_PING[at])) {
      this.#awaitingPing = false;
      this.#lastAccepted = this.#lastId;
      this.outbox.control(FrameType.GOAWAY, 0, 0, uint32(this.#lastId, ErrorCode.NO_ERROR));
      this.#closeWhenIdle();
    }
  }

  #windowUpdate(id: number, payload: Uint8Array): void {
    if (payload.length !== 4) fail(ErrorCode.FRAME_SIZE_ERROR, "WINDOW_UPDATE length");
    if (!this.#windowUpdates.take()) fail(ErrorCode.ENHANCE_YOUR_CALM, "too many WINDOW_UPDATE frames");
    const increment = readUint32(payload, 0) & MAX_WINDOW;
    if (id === 0) {
      if (increment === 0) fail(ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE of nothing");
      this.outbox.connectionWindow += increment;
      if (this.outbox.connectionWindow > MAX_WINDOW) fail(ErrorCode.FLOW_CONTROL_ERROR, "the window is too large");
      return this.outbox.windowOpened();
    }
    if (this.#isIdle(id)) fail(ErrorCode.PROTOCOL_ERROR, `WINDOW_UPDATE on idle stream ${id}`);
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    if (increment === 0) return this.#streamError(stream, ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE of nothing");
    stream.sendWindow += increment;
    if (stream.sendWindow > MAX_WINDOW) {
      return this.#streamError(stream, ErrorCode.FLOW_CONTROL_ERROR, "the window is too large");
    }
    if (stream.pending > 0) this.outbox.schedule(stream);
  }

  #isIdle(id: number): boolean {
    return id > this.#lastId || id % 2 === 0;
  }

  #spendControl(): void {
    if (!this.#control.take()) fail(ErrorCode.ENHANCE_YOUR_CALM, "too many frames that do nothing");
  }

  /** RST_STREAM for a stream that has no object; the peer pays, since it can cause these without end. */
  #refuse(id: number, code: number): void {
    this.#spendControl();
    this.#rememberCutShort(id);
    this.outbox.control(FrameType.RST_STREAM, 0, id, uint32(code));
  }

  #streamError(stream: Stream, code: number, reason: string): void {
    this.#spendControl();
    this.resetStream(stream, code);
    stream.consumer.aborted(reason);
  }

  #abort(stream: Stream, reason: string): void {
    this.#forget(stream);
    this.outbox.drop(stream);
    stream.consumer.aborted(reason);
  }

  #forget(stream: Stream): void {
    stream.closed = true;
    this.#streams.delete(stream.id);
    this.#held -= stream.held;
    if (stream.working) this.#lingering++;
    if (this.#draining) this.#closeWhenIdle();
  }

  #rememberCutShort(id: number): void {
    this.#cutShort.add(id);
    if (this.#cutShort.size > this.#options.limits.maxConcurrentStreams) {
      for (const oldest of this.#cutShort) {
        this.#cutShort.delete(oldest);
        break;
      }
    }
  }

  #closeWhenIdle(): void {
    if (!this.#draining || this.#awaitingPing || this.#streams.size > 0 || this.#closed) return;
    this.outbox.flushed(FAREWELL_MILLISECONDS).then(() => {
      if (this.#streams.size === 0) this.close();
    });
  }
}

function fail(code: number, message: string): never {
  throw new ConnectionError(code, message);
}

function concat(first: Uint8Array, second: Uint8Array): Uint8Array {
  const joined = new Uint8Array(first.length + second.length);
  joined.set(first);
  joined.set(second, first.length);
  return joined;
}
