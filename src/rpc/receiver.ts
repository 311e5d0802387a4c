import {
  ConnectionError,
  ErrorCode,
  Flag,
  FrameType,
  MAX_PAYLOAD,
  MAX_WINDOW,
  parseSettings,
  readUint32,
  Setting,
  uint32,
  withoutPadding,
} from "./frames.ts";
import type { Connection } from "./connection.ts";
import type { FloodGuard } from "./flood_guard.ts";
import { type HeaderBlock, HeaderBlockAssembler } from "./header_block.ts";
import { type HeaderList, HpackDecoder } from "./hpack_decoder.ts";
import type { Limits } from "./limits.ts";
import type { Outbox } from "./outbox.ts";
import { ReceiveWindow } from "./receive_window.ts";
import { areTrailersValid, parseRequestHeaders, type RequestHeaders } from "./request_headers.ts";
import { Stream, type StreamConsumer } from "./stream.ts";
import type { StreamTable } from "./stream_table.ts";

/** Request bytes that a peer may send ahead on all streams of a connection. */
export const CONNECTION_WINDOW = 4 * 1024 * 1024;
/** Six settings exist; each INITIAL_WINDOW_SIZE in a frame walks all streams. */
const MAX_SETTINGS_BYTES = 32 * 6;

/** Finds who answers a request; called once per stream, before any of its body. */
export type Accept = (stream: Stream, headers: RequestHeaders) => StreamConsumer;

/** What the frames of a client mean, and which are wrong (RFC 9113, section 5 to 8). */
export class Receiver {
  #connection: Connection;
  #outbox: Outbox;
  #streams: StreamTable;
  #accept: Accept;
  #guard: FloodGuard;
  #decoder: HpackDecoder;
  #assembler: HeaderBlockAssembler;
  #receiveWindow = new ReceiveWindow(CONNECTION_WINDOW, CONNECTION_WINDOW / 4);
  /** The send window of new streams: SETTINGS_INITIAL_WINDOW_SIZE of the peer. */
  #peerWindow = 65535;
  #sawSettings = false;

  constructor(connection: Connection, guard: FloodGuard, limits: Limits, accept: Accept) {
    this.#connection = connection;
    this.#outbox = connection.outbox;
    this.#streams = connection.streams;
    this.#guard = guard;
    this.#accept = accept;
    this.#decoder = new HpackDecoder(limits.maxHeaderListBytes);
    this.#assembler = new HeaderBlockAssembler(limits);
  }

  /** Handles the next frame. @throws {ConnectionError} when the connection cannot go on. */
  frame(type: number, flags: number, id: number, payload: Uint8Array): void {
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
        this.#guard.control();
        return this.#connection.peerLeaves();
      case FrameType.WINDOW_UPDATE:
        return this.#windowUpdate(id, payload);
      case FrameType.PUSH_PROMISE:
        return fail(ErrorCode.PROTOCOL_ERROR, "PUSH_PROMISE from a client");
      default:
        this.#guard.control();
    }
  }

  #data(flags: number, id: number, framePayload: Uint8Array): void {
    if (this.#streams.isIdle(id)) fail(ErrorCode.PROTOCOL_ERROR, `DATA on idle stream ${id}`);
    const size = framePayload.length;
    const ends = (flags & Flag.END_STREAM) !== 0;
    if (size === 0 && !ends) this.#guard.control();
    const payload = withoutPadding(flags, framePayload);
    if (!this.#receiveWindow.take(size)) fail(ErrorCode.FLOW_CONTROL_ERROR, "more DATA than the connection's window");
    const credit = this.#receiveWindow.credit();
    if (credit > 0) this.#outbox.control(FrameType.WINDOW_UPDATE, 0, 0, uint32(credit));
    const stream = this.#streams.find(id);
    if (stream === undefined) {
      if (!this.#streams.wasCutShort(id)) this.#connection.refuse(id, ErrorCode.STREAM_CLOSED);
      return;
    }
    if (stream.remoteClosed) {
      return this.#connection.streamError(stream, ErrorCode.STREAM_CLOSED, "DATA after END_STREAM");
    }
    if (!stream.receiveWindow.take(size)) {
      return this.#connection.streamError(stream, ErrorCode.FLOW_CONTROL_ERROR, "more DATA than the stream's window");
    }
    stream.received += payload.length;
    if (payload.length > 0) stream.consumer.data(payload);
    if (stream.closed) return;
    if (ends) return this.#remoteEnd(stream);
    const streamCredit = stream.receiveWindow.credit();
    if (streamCredit > 0) this.#outbox.control(FrameType.WINDOW_UPDATE, 0, id, uint32(streamCredit));
  }

  #headers(block: HeaderBlock): void {
    let list: HeaderList;
    try {
      list = this.#decoder.decode(block.bytes);
    } catch (error) {
      fail(ErrorCode.COMPRESSION_ERROR, (error as Error).message);
    }
    const id = block.streamId;
    const open = this.#streams.find(id);
    if (open !== undefined) {
      if (open.remoteClosed) {
        return this.#connection.streamError(open, ErrorCode.STREAM_CLOSED, "HEADERS after END_STREAM");
      }
      if (!block.endStream || !areTrailersValid(list.fields)) {
        return this.#connection.streamError(open, ErrorCode.PROTOCOL_ERROR, "malformed trailers");
      }
      return this.#remoteEnd(open);
    }
    if (id <= this.#streams.lastId) {
      if (this.#streams.wasCutShort(id)) return;
      fail(ErrorCode.STREAM_CLOSED, `HEADERS on closed stream ${id}`);
    }
    this.#streams.lastId = id;
    if (id > this.#streams.lastAccepted || !this.#streams.hasRoom()) {
      return this.#connection.refuse(id, ErrorCode.REFUSED_STREAM);
    }
    const headers = parseRequestHeaders(list.fields, list.tooLarge);
    if (headers === undefined || block.dependsOnItself) return this.#connection.refuse(id, ErrorCode.PROTOCOL_ERROR);
    const stream = new Stream(this.#connection, id, this.#peerWindow);
    stream.contentLength = headers.contentLength;
    this.#streams.add(stream);
    this.#guard.acceptedStream();
    stream.consumer = this.#accept(stream, headers);
    if (block.endStream && !stream.closed) this.#remoteEnd(stream);
  }

  #remoteEnd(stream: Stream): void {
    stream.remoteClosed = true;
    if (stream.contentLength !== undefined && stream.contentLength !== stream.received) {
      return this.#connection.streamError(
        stream,
        ErrorCode.PROTOCOL_ERROR,
        "content-length is not the length of the body",
      );
    }
    stream.consumer.end();
  }

  #priority(id: number, payload: Uint8Array): void {
    this.#guard.control();
    if (id === 0) fail(ErrorCode.PROTOCOL_ERROR, "PRIORITY on the connection");
    const code = payload.length !== 5
      ? ErrorCode.FRAME_SIZE_ERROR
      : (readUint32(payload, 0) & MAX_WINDOW) === id
      ? ErrorCode.PROTOCOL_ERROR
      : undefined;
    if (code === undefined) return;
    const stream = this.#streams.find(id);
    if (stream === undefined) this.#connection.refuse(id, code);
    else this.#connection.streamError(stream, code, "malformed PRIORITY");
  }

  #reset(id: number, payload: Uint8Array): void {
    if (this.#streams.isIdle(id)) fail(ErrorCode.PROTOCOL_ERROR, `RST_STREAM on idle stream ${id}`);
    if (payload.length !== 4) fail(ErrorCode.FRAME_SIZE_ERROR, "RST_STREAM length");
    const stream = this.#streams.find(id);
    if (stream === undefined) return this.#guard.control();
    this.#guard.reset();
    this.#connection.abort(stream, "the client cancelled the call");
  }

  #settings(flags: number, id: number, payload: Uint8Array): void {
    if (id !== 0) fail(ErrorCode.PROTOCOL_ERROR, "SETTINGS on a stream");
    this.#sawSettings = true;
    if (flags & Flag.ACK) {
      if (payload.length > 0) fail(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS ACK with a payload");
      return this.#guard.control();
    }
    this.#guard.control();
    if (payload.length > MAX_SETTINGS_BYTES) fail(ErrorCode.ENHANCE_YOUR_CALM, "too many settings in one frame");
    for (const [key, value] of parseSettings(payload)) {
      if (key === Setting.ENABLE_PUSH && value > 1) fail(ErrorCode.PROTOCOL_ERROR, "ENABLE_PUSH");
      else if (key === Setting.HEADER_TABLE_SIZE && value < 4096) this.#outbox.tableUpdateDue = true;
      else if (key === Setting.INITIAL_WINDOW_SIZE) this.#setPeerWindow(value);
      else if (key === Setting.MAX_FRAME_SIZE) {
        if (value < MAX_PAYLOAD || value > 0xffffff) fail(ErrorCode.PROTOCOL_ERROR, "MAX_FRAME_SIZE");
      }
    }
    this.#outbox.control(FrameType.SETTINGS, Flag.ACK, 0);
  }

  #setPeerWindow(value: number): void {
    if (value > MAX_WINDOW) fail(ErrorCode.FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE");
    const change = value - this.#peerWindow;
    this.#peerWindow = value;
    for (const stream of this.#streams.all()) {
      stream.sendWindow += change;
      if (stream.sendWindow > MAX_WINDOW) {
        fail(ErrorCode.FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE makes a window too large");
      }
      if (stream.pending > 0 && stream.sendWindow > 0) this.#outbox.schedule(stream);
    }
  }

  #ping(flags: number, id: number, payload: Uint8Array): void {
    if (id !== 0) fail(ErrorCode.PROTOCOL_ERROR, "PING on a stream");
    if (payload.length !== 8) fail(ErrorCode.FRAME_SIZE_ERROR, "PING length");
    this.#guard.control();
    if (flags & Flag.ACK) this.#connection.pinged(payload);
    else this.#outbox.control(FrameType.PING, Flag.ACK, 0, payload);
  }

  #windowUpdate(id: number, payload: Uint8Array): void {
    if (payload.length !== 4) fail(ErrorCode.FRAME_SIZE_ERROR, "WINDOW_UPDATE length");
    this.#guard.windowUpdate();
    const increment = readUint32(payload, 0) & MAX_WINDOW;
    if (id === 0) {
      if (increment === 0) fail(ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE of nothing");
      this.#outbox.connectionWindow += increment;
      if (this.#outbox.connectionWindow > MAX_WINDOW) fail(ErrorCode.FLOW_CONTROL_ERROR, "the window is too large");
      return this.#outbox.windowOpened();
    }
    if (this.#streams.isIdle(id)) fail(ErrorCode.PROTOCOL_ERROR, `WINDOW_UPDATE on idle stream ${id}`);
    const stream = this.#streams.find(id);
    if (stream === undefined) return;
    if (increment === 0) {
      return this.#connection.streamError(stream, ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE of nothing");
    }
    stream.sendWindow += increment;
    if (stream.sendWindow > MAX_WINDOW) {
      return this.#connection.streamError(stream, ErrorCode.FLOW_CONTROL_ERROR, "the window is too large");
    }
    if (stream.pending > 0) this.#outbox.schedule(stream);
  }
}

function fail(code: number, message: string): never {
  throw new ConnectionError(code, message);
}
