import { FrameWriter } from "../frame_writer.ts";
import { QueueBudget } from "../queue.ts";
import type { Transport } from "../types.ts";
import { SpdyError } from "./error.ts";
import {
  type ControlFrame,
  controlFrame,
  FLAG_FIN,
  FrameReader,
  GOAWAY,
  HEADERS,
  PING,
  RST_STREAM,
  SYN_REPLY,
  SYN_STREAM,
} from "./frames.ts";
import { HeaderBlockReader, HeaderBlockWriter } from "./header_block.ts";
import { SpdyStream } from "./stream.ts";

const STATUS_PROTOCOL_ERROR = 1;
const STATUS_REFUSED_STREAM = 3;
const GOAWAY_OK = 0;
const GOAWAY_PROTOCOL_ERROR = 1;
/** Milliseconds for the client to take the last bytes and to close. */
const LINGER = 3_000;

export interface SpdySessionOptions {
  /** Streams that are open at a time; more are refused. */
  maxStreams: number;
  /** Called before the stream's reply is sent; false refuses the stream. */
  onStream(stream: SpdyStream): boolean;
}

/**
 * The server's end of a SPDY/3.1 connection as Kubernetes clients speak it (github.com/moby/spdystream): windows are
 * neither kept nor minded, in both directions. What slows a writer is the connection itself, and replies to what the
 * client sends are written before more is read, so a flood of pings or streams costs its sender as much as us.
 */
export class SpdySession {
  readonly #frames = new FrameReader();
  readonly #writer: FrameWriter;
  readonly #headersIn = new HeaderBlockReader();
  readonly #headersOut = new HeaderBlockWriter();
  readonly #streams = new Map<number, SpdyStream>();
  readonly #budget = new QueueBudget();
  #lastStream = 0;
  /** Resolves when the client has gone, or has broken the protocol. Never rejects. */
  readonly ended: Promise<void>;
  /** What the client did wrong, once it has ended for that. */
  error?: SpdyError;
  #over = false;

  constructor(private readonly transport: Transport, private readonly options: SpdySessionOptions) {
    this.#writer = new FrameWriter(transport);
    transport.onClose = () => this.#budget.close();
    this.ended = this.#serve();
  }

  send(header: Uint8Array, payload?: Uint8Array): Promise<void> {
    if (this.#over) return Promise.reject(new Error("the client has gone"));
    return this.#writer.send(header, payload);
  }

  forget(stream: SpdyStream): void {
    stream.discard();
    this.#streams.delete(stream.id);
  }

  /** Ends every stream, lets the client take what it was sent, and closes. Never rejects. */
  async finish(): Promise<void> {
    for (const stream of [...this.#streams.values()]) {
      stream.discard();
      await stream.end().catch(() => {});
    }
    await this.#goAway(GOAWAY_OK);
    await this.#linger();
  }

  async #serve(): Promise<void> {
    // The constructor's caller must have its hands free before the first stream comes.
    await Promise.resolve();
    try {
      for (let bytes; (bytes = await this.transport.read()) !== null;) {
        for (const frame of this.#frames.push(bytes)) {
          if (frame.kind === "data") this.#streams.get(frame.stream)?.deliver(frame.bytes, frame.fin);
          else await this.#control(frame);
        }
        await this.#budget.room();
      }
    } catch (error) {
      if (error instanceof SpdyError) {
        this.error = error;
        await this.#goAway(GOAWAY_PROTOCOL_ERROR);
      }
    } finally {
      this.#over = true;
      for (const stream of this.#streams.values()) stream.abort();
      this.#streams.clear();
      this.transport.close();
    }
  }

  async #control({ type, flags, body }: ControlFrame): Promise<void> {
    switch (type) {
      case SYN_STREAM:
        return await this.#open(flags, body);
      case SYN_REPLY:
      case HEADERS:
        // We open no streams and need no late headers, but the compression context goes through them.
        this.#headersIn.read(body.subarray(4));
        return;
      case RST_STREAM: {
        const stream = this.#streams.get(wordAt(body, 0));
        if (stream === undefined) return;
        stream.abort();
        this.forget(stream);
        return;
      }
      case PING: {
        const id = wordAt(body, 0);
        // Even numbers are the server's own, and we send none.
        if (id % 2 === 1) await this.send(controlFrame(PING, [id]));
        return;
      }
    }
    // GOAWAY: the end of the connection follows. SETTINGS, WINDOW_UPDATE and whatever else: nothing to do.
  }

  async #open(flags: number, body: Uint8Array): Promise<void> {
    const id = wordAt(body, 0) & 0x7fffffff;
    const headers = this.#headersIn.read(body.subarray(10));
    if (id % 2 === 0 || id <= this.#lastStream) {
      throw new SpdyError(`stream ${id} opened after stream ${this.#lastStream}: a client's numbers are odd and grow`);
    }
    this.#lastStream = id;
    if (this.#streams.size >= this.options.maxStreams) {
      return await this.send(controlFrame(RST_STREAM, [id, STATUS_REFUSED_STREAM]));
    }
    const stream = new SpdyStream(this, id, headers, this.#budget);
    this.#streams.set(id, stream);
    // Queued before anything that is written to the stream because of it.
    const reply = controlFrame(SYN_REPLY, [id], this.#headersOut.write([]));
    const replied = this.send(reply);
    if (!this.options.onStream(stream)) {
      stream.abort();
      this.forget(stream);
      await this.send(controlFrame(RST_STREAM, [id, STATUS_PROTOCOL_ERROR]));
    } else if ((flags & FLAG_FIN) !== 0) {
      stream.deliver(new Uint8Array(0), true);
    }
    await replied;
  }

  async #goAway(status: number): Promise<void> {
    await this.#writer.send(controlFrame(GOAWAY, [this.#lastStream, status])).catch(() => {});
  }

  /**
   * Closing a connection that still has bytes for us would reset it, and the client would lose what we wrote last: so we
   * close our half, and drop what comes until the client closes its own.
   */
  async #linger(): Promise<void> {
    await this.transport.closeWrite();
    const timer = setTimeout(() => this.transport.close(), LINGER);
    await this.ended;
    clearTimeout(timer);
  }
}

function wordAt(body: Uint8Array, offset: number): number {
  if (body.length < offset + 4) throw new SpdyError("a control frame is too short");
  return new DataView(body.buffer, body.byteOffset).getUint32(offset);
}
