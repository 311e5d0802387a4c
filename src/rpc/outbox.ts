import { setImmediate } from "node:timers";
import { Flag, FRAME_HEAD, FrameType, MAX_PAYLOAD, putFrameHead } from "./frames.ts";
import { EMPTY_TABLE_UPDATE } from "./hpack_encoder.ts";
import type { Stream } from "./stream.ts";

/** Bytes of one write: a few DATA frames, so that a small answer never waits behind much. */
const WRITE_SIZE = 128 * 1024;
/** Bytes after which the event loop gets a turn: writes that never wait would keep it for themselves. */
const YIELD_AFTER = 512 * 1024;
/** Write buffers are only needed while something is sent, so connections share a few. */
const spareBuffers: Uint8Array[] = [];

interface Writer {
  write(bytes: Uint8Array): Promise<number>;
}

export interface OutboxEvents {
  /** END_STREAM of this stream is in the write buffer. */
  sent(stream: Stream): void;
  /** The peer cannot be written to; with a reason, it is cut off. */
  broken(reason?: string): void;
  /** DATA bytes went out: useful work. */
  sentData(bytes: number): void;
}

/**
 * All that one connection has to write. Control frames go first; streams take turns, one DATA frame each, so a large
 * response delays a small one by a frame per large response. Writing begins in a microtask: what one turn of the event
 * loop produces goes out in one write.
 */
export class Outbox {
  /** Response bytes that wait on all streams. */
  queuedBytes = 0;
  /** Flow control of the whole connection, in bytes the peer still takes. */
  connectionWindow = 65535;
  /** SETTINGS_MAX_FRAME_SIZE of the peer. */
  maxFrame = MAX_PAYLOAD;
  /** The peer lowered its header table: the next block must say that ours is empty (RFC 7541, 4.2). */
  tableUpdateDue = false;

  #control = new Uint8Array(256);
  #controlLength = 0;
  #ready: Stream[] = [];
  /** What waits for the connection's window. */
  #starved = new Set<Stream>();
  #running: Promise<void> | undefined;
  #closed = false;
  #waitingResponses: (() => void)[] = [];
  #waitingCalls: (() => void)[] = [];
  #admitting = false;

  constructor(
    readonly writer: Writer,
    readonly events: OutboxEvents,
    readonly limits: { maxControlOutBytes: number; maxQueuedOutBytes: number },
  ) {}

  /** Queues a control frame; a peer that lets too many wait is cut off. */
  control(type: number, flags: number, streamId: number, payload?: Uint8Array): void {
    if (this.#closed) return;
    const size = FRAME_HEAD + (payload?.length ?? 0);
    const needed = this.#controlLength + size;
    if (needed > this.limits.maxControlOutBytes) {
      this.close();
      this.events.broken("the peer does not read the answers to its control frames");
      return;
    }
    if (needed > this.#control.length) {
      const larger = new Uint8Array(Math.max(needed, this.#control.length * 2));
      larger.set(this.#control.subarray(0, this.#controlLength));
      this.#control = larger;
    }
    putFrameHead(this.#control, this.#controlLength, size - FRAME_HEAD, type, flags, streamId);
    if (payload !== undefined) this.#control.set(payload, this.#controlLength + FRAME_HEAD);
    this.#controlLength = needed;
    this.#start();
  }

  /** The stream has something to send, or may send again. */
  schedule(stream: Stream): void {
    if (stream.queued || this.#closed) return;
    stream.queued = true;
    this.#ready.push(stream);
    this.#start();
  }

  /** The connection's window has grown. */
  windowOpened(): void {
    const starved = this.#starved;
    if (starved.size === 0) return;
    this.#starved = new Set();
    for (const stream of starved) this.schedule(stream);
  }

  /** Forgets what the stream had queued. */
  drop(stream: Stream): void {
    this.queuedBytes -= stream.pending;
    this.#starved.delete(stream);
    stream.discard();
    this.#admit();
  }

  /**
   * undefined while calls may begin and responses may be queued; else settles when it is this caller's turn. A peer that
   * asks and does not read holds its own calls up, not our memory. Responses that are made go before calls that are not
   * begun: those would only make more of them.
   */
  room(wanted: "call" | "response"): Promise<void> | undefined {
    const isFull = this.queuedBytes >= this.limits.maxQueuedOutBytes;
    const isAhead = this.#waitingResponses.length > 0 || (wanted === "call" && this.#waitingCalls.length > 0);
    if (this.#closed || (!isFull && !isAhead)) return undefined;
    return new Promise((resolve) => {
      if (wanted === "response") this.#waitingResponses.push(resolve);
      else this.#waitingCalls.push(resolve);
    });
  }

  /** Settles when all that can be written has been, or after `milliseconds`. */
  async flushed(milliseconds: number): Promise<void> {
    if (this.#running === undefined) return;
    let timer = 0;
    await Promise.race([this.#running, new Promise((resolve) => timer = setTimeout(resolve, milliseconds))]);
    clearTimeout(timer);
  }

  /**
   * Settles when no write is under way. Deno cannot cancel a write, and keeps the socket open for it: one to a peer that
   * does not read ends when the peer does.
   */
  async stopped(): Promise<void> {
    await this.#running;
  }

  close(): void {
    this.#closed = true;
    this.#controlLength = 0;
    this.#ready = [];
    this.#starved.clear();
    this.#admit();
  }

  /** Lets one waiter go on; the next is looked at when that one has queued its response, or was not able to. */
  #admit(): void {
    if (this.#admitting || (!this.#closed && this.queuedBytes >= this.limits.maxQueuedOutBytes)) return;
    const resolve = this.#waitingResponses.shift() ?? this.#waitingCalls.shift();
    if (resolve === undefined) return;
    this.#admitting = true;
    resolve();
    queueMicrotask(() => {
      this.#admitting = false;
      this.#admit();
    });
  }

  #start(): void {
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    await undefined;
    const buffer = spareBuffers.pop() ?? new Uint8Array(WRITE_SIZE);
    try {
      let sinceYield = 0;
      for (;;) {
        const length = this.#fill(buffer);
        if (length === 0) break;
        for (let at = 0; at < length;) {
          at += await this.writer.write(at === 0 && length === buffer.length ? buffer : buffer.subarray(at, length));
        }
        sinceYield += length;
        if (sinceYield >= YIELD_AFTER) {
          sinceYield = 0;
          await new Promise<void>((resolve) => setImmediate(() => resolve()));
        }
      }
    } catch {
      this.close();
      this.events.broken();
    } finally {
      if (spareBuffers.length < 4) spareBuffers.push(buffer);
      this.#running = undefined;
    }
  }

  #fill(buffer: Uint8Array): number {
    let at = Math.min(this.#controlLength, buffer.length);
    if (at > 0) buffer.set(this.#control.subarray(0, at));
    if (at < this.#controlLength) {
      this.#control.copyWithin(0, at, this.#controlLength);
      this.#controlLength -= at;
      return at;
    }
    this.#controlLength = 0;
    let next = 0;
    // A frame's worth of room is kept so that no turn is spent on a sliver of DATA.
    while (next < this.#ready.length && buffer.length - at >= MAX_PAYLOAD + 2 * FRAME_HEAD) {
      const stream = this.#ready[next++];
      stream.queued = false;
      if (!stream.closed) at = this.#fillFrom(stream, buffer, at);
    }
    if (next > 0) this.#ready.splice(0, next);
    return at;
  }

  /** One stream's turn: its head, a DATA frame, and its trailers when that was all. */
  #fillFrom(stream: Stream, buffer: Uint8Array, from: number): number {
    let at = from;
    if (stream.head !== undefined) {
      at = this.#putHeaders(buffer, at, stream.id, stream.head, 0);
      stream.head = undefined;
    }
    if (stream.pending > 0) {
      const room = buffer.length - at - FRAME_HEAD;
      const count = Math.min(
        stream.pending,
        MAX_PAYLOAD,
        this.maxFrame,
        room,
        stream.sendWindow,
        this.connectionWindow,
      );
      if (count > 0) {
        putFrameHead(buffer, at, count, FrameType.DATA, 0, stream.id);
        at += FRAME_HEAD;
        copyParts(stream, buffer, at, count);
        at += count;
        stream.sendWindow -= count;
        this.connectionWindow -= count;
        this.queuedBytes -= count;
        stream.taken(count);
        this.events.sentData(count);
        this.#admit();
      }
      if (stream.pending > 0) {
        if (this.connectionWindow <= 0) this.#starved.add(stream);
        else if (stream.sendWindow > 0) this.schedule(stream);
        return at;
      }
    }
    if (stream.trailers === undefined) return at;
    if (buffer.length - at < stream.trailers.length + 1 + FRAME_HEAD) {
      this.schedule(stream);
      return at;
    }
    if (stream.trailers.length === 0) {
      putFrameHead(buffer, at, 0, FrameType.DATA, Flag.END_STREAM, stream.id);
      at += FRAME_HEAD;
    } else {
      at = this.#putHeaders(buffer, at, stream.id, stream.trailers, Flag.END_STREAM);
    }
    stream.trailers = undefined;
    this.events.sent(stream);
    return at;
  }

  /** One HEADERS frame: our blocks are shorter than any peer's frame size. */
  #putHeaders(buffer: Uint8Array, from: number, streamId: number, block: Uint8Array, flags: number): number {
    const update = this.tableUpdateDue ? 1 : 0;
    let at = from + FRAME_HEAD;
    if (update) buffer[at++] = EMPTY_TABLE_UPDATE;
    this.tableUpdateDue = false;
    buffer.set(block, at);
    putFrameHead(buffer, from, block.length + update, FrameType.HEADERS, flags | Flag.END_HEADERS, streamId);
    return at + block.length;
  }
}

/** Copies the next `count` unsent bytes of a stream and moves its position on. */
function copyParts(stream: Stream, buffer: Uint8Array, from: number, count: number): void {
  let at = from;
  for (let left = count; left > 0;) {
    const part = stream.parts[stream.partIndex];
    const available = part.length - stream.partOffset;
    if (available <= left) {
      buffer.set(stream.partOffset === 0 ? part : part.subarray(stream.partOffset), at);
      at += available;
      left -= available;
      stream.partOffset = 0;
      stream.partIndex++;
    } else {
      buffer.set(part.subarray(stream.partOffset, stream.partOffset + left), at);
      stream.partOffset += left;
      left = 0;
    }
  }
  if (stream.partIndex === stream.parts.length) {
    stream.parts = [];
    stream.partIndex = 0;
  } else if (stream.partIndex > 256) {
    stream.parts.splice(0, stream.partIndex);
    stream.partIndex = 0;
  }
}
