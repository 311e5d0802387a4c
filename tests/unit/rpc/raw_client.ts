import {
  ErrorCode,
  Flag,
  FRAME_HEAD,
  FrameReader,
  FrameType,
  MAX_WINDOW,
  PREFACE,
  putFrameHead,
  readUint32,
  Setting,
  settingsPayload,
  uint32,
} from "../../../src/rpc/frames.ts";
import { HpackDecoder } from "../../../src/rpc/hpack_decoder.ts";
import { encodeHeaders } from "../../../src/rpc/hpack_encoder.ts";
import { messagePrefix } from "../../../src/rpc/message_reader.ts";
import { concat } from "./bytes.ts";

export interface Frame {
  type: number;
  flags: number;
  streamId: number;
  payload: Uint8Array;
}

/** What came back on one stream. */
export interface Answer {
  fields: Record<string, string>;
  /** The body: gRPC messages with their prefixes. */
  body: Uint8Array;
  /** The code of RST_STREAM, where that ended the stream. */
  resetCode?: number;
}

/** Streams that never need credit of their own. */
const WIDE_OPEN: [number, number][] = [[Setting.INITIAL_WINDOW_SIZE, MAX_WINDOW]];

export interface RawClientOptions {
  settings?: [id: number, value: number][];
  /** Read, and give credit for DATA; without it the client is one that asks and does not read. */
  reads?: boolean;
  /** Answer DATA with WINDOW_UPDATE. */
  credits?: boolean;
}

/** An HTTP/2 client that does what a test tells it, right or wrong. */
export class RawClient implements Disposable {
  readonly frames: Frame[] = [];
  ended = false;
  #conn: Deno.Conn;
  #decoder = new HpackDecoder(1024 * 1024);
  #answers = new Map<number, GrowingAnswer>();
  /** What the server lets us send on the connection, and on streams beyond their first window. */
  #connectionCredit = 65_535;
  #streamCredit = new Map<number, number>();
  #wake: (() => void)[] = [];
  #credits: boolean;
  #nextId = 1;

  private constructor(conn: Deno.Conn, options: RawClientOptions) {
    this.#conn = conn;
    this.#credits = options.credits ?? true;
    if (options.reads ?? true) this.#read();
  }

  static async connect(path: string, options: RawClientOptions = {}): Promise<RawClient> {
    const client = new RawClient(await Deno.connect({ transport: "unix", path }), options);
    await client.write(
      concat(PREFACE, frame(FrameType.SETTINGS, 0, 0, settingsPayload(options.settings ?? WIDE_OPEN))),
    );
    return client;
  }

  [Symbol.dispose](): void {
    try {
      this.#conn.close();
    } catch {
      // The server closed it, or the test did.
    }
  }

  /** Writes all; a connection that the server has closed is no error here. */
  async write(bytes: Uint8Array): Promise<void> {
    try {
      for (let at = 0; at < bytes.length;) at += await this.#conn.write(bytes.subarray(at));
    } catch {
      // The reader finds out what the server said before it closed.
    }
  }

  send(type: number, flags: number, streamId: number, payload: Uint8Array = new Uint8Array()): Promise<void> {
    return this.write(frame(type, flags, streamId, payload));
  }

  newId(): number {
    const id = this.#nextId;
    this.#nextId += 2;
    return id;
  }

  /** Begins a gRPC call; the body follows with {@link RawClient.sendBody}. */
  async begin(path: string, fields: [string, string][] = []): Promise<number> {
    const id = this.newId();
    await this.send(FrameType.HEADERS, Flag.END_HEADERS, id, requestBlock(path, fields));
    return id;
  }

  async sendBody(id: number, body: Uint8Array, ends = true): Promise<void> {
    const frames: Uint8Array[] = [];
    for (let at = 0; at < body.length || at === 0; at += 16_384) {
      const last = at + 16_384 >= body.length;
      frames.push(frame(FrameType.DATA, ends && last ? Flag.END_STREAM : 0, id, body.subarray(at, at + 16_384)));
    }
    await this.write(concat(...frames));
  }

  /** Sends a body as far as the server's windows allow, then waits for more. */
  async sendWithCredit(id: number, body: Uint8Array): Promise<void> {
    let streamWindow = 1024 * 1024;
    for (let at = 0; at < body.length;) {
      await this.until(
        () => this.#connectionCredit > 0 && streamWindow + (this.#streamCredit.get(id) ?? 0) > 0,
        "credit",
      );
      streamWindow += this.#streamCredit.get(id) ?? 0;
      this.#streamCredit.delete(id);
      const count = Math.min(16_384, body.length - at, this.#connectionCredit, streamWindow);
      const ends = at + count === body.length ? Flag.END_STREAM : 0;
      await this.send(FrameType.DATA, ends, id, body.subarray(at, at + count));
      this.#connectionCredit -= count;
      streamWindow -= count;
      at += count;
    }
  }

  /** A whole call with one message. */
  async start(path: string, message: Uint8Array = new Uint8Array(), fields: [string, string][] = []): Promise<number> {
    const id = await this.begin(path, fields);
    await this.sendBody(id, concat(messagePrefix(message.length), message));
    return id;
  }

  async call(path: string, message?: Uint8Array, fields?: [string, string][]): Promise<Answer> {
    return await this.answer(await this.start(path, message, fields));
  }

  /** Waits for the end of a stream. */
  async answer(id: number): Promise<Answer> {
    await this.until(() => this.#answers.get(id)?.done === true, `the answer on stream ${id}`);
    return this.#answers.get(id)!;
  }

  /** What has come on a stream so far. */
  sofar(id: number): Answer | undefined {
    return this.#answers.get(id);
  }

  /** Waits for GOAWAY with an error code, and returns the code. */
  async goaway(): Promise<number> {
    const find = () => this.frames.find(({ type }) => type === FrameType.GOAWAY);
    await this.until(() => find() !== undefined, "GOAWAY");
    return readUint32(find()!.payload, 4);
  }

  async until(condition: () => boolean, what: string): Promise<void> {
    const deadline = performance.now() + 10_000;
    while (!condition()) {
      if (this.ended) throw new Error(`the connection ended before ${what}`);
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`waited in vain for ${what}`);
      let timer = 0;
      await new Promise<void>((resolve) => {
        this.#wake.push(resolve);
        timer = setTimeout(resolve, Math.min(left, 1000));
      });
      clearTimeout(timer);
    }
  }

  /** Waits until the server has closed the connection. */
  async end(): Promise<void> {
    await this.until(() => this.ended, "the end").catch((error) => {
      if (!this.ended) throw error;
    });
  }

  async #read(): Promise<void> {
    const reader = new FrameReader();
    const source = { read: (into: Uint8Array) => this.#conn.read(into).catch(() => null) };
    while (await reader.fill(source)) {
      let credit = 0;
      while (reader.next()) {
        const { type, flags, streamId } = reader;
        const payload = reader.payload.slice();
        if (type !== FrameType.DATA) this.frames.push({ type, flags, streamId, payload });
        else credit += payload.length;
        this.#note(type, flags, streamId, payload);
      }
      if (credit > 0 && this.#credits) await this.send(FrameType.WINDOW_UPDATE, 0, 0, uint32(credit));
      this.#wakeAll();
    }
    this.ended = true;
    this.#wakeAll();
  }

  #note(type: number, flags: number, id: number, payload: Uint8Array): void {
    if (type === FrameType.WINDOW_UPDATE) {
      if (id === 0) this.#connectionCredit += readUint32(payload, 0);
      else this.#streamCredit.set(id, (this.#streamCredit.get(id) ?? 0) + readUint32(payload, 0));
    }
    if (id === 0 || type === FrameType.WINDOW_UPDATE) return;
    const answer = this.#answers.get(id) ?? new GrowingAnswer();
    this.#answers.set(id, answer);
    if (type === FrameType.HEADERS) {
      for (const { name, value } of this.#decoder.decode(payload).fields) answer.fields[name] = value;
    } else if (type === FrameType.DATA) {
      answer.chunks.push(payload);
    } else if (type === FrameType.RST_STREAM) {
      if (!answer.done) answer.resetCode = readUint32(payload, 0);
      answer.done = true;
    }
    if ((type === FrameType.HEADERS || type === FrameType.DATA) && flags & Flag.END_STREAM) answer.done = true;
  }

  #wakeAll(): void {
    for (const resolve of this.#wake.splice(0)) resolve();
  }
}

class GrowingAnswer implements Answer {
  readonly fields: Record<string, string> = {};
  chunks: Uint8Array[] = [];
  done = false;
  resetCode?: number;

  get body(): Uint8Array {
    this.chunks = [concat(...this.chunks)];
    return this.chunks[0];
  }
}

export function frame(
  type: number,
  flags: number,
  streamId: number,
  payload: Uint8Array = new Uint8Array(),
): Uint8Array {
  const bytes = new Uint8Array(FRAME_HEAD + payload.length);
  putFrameHead(bytes, 0, payload.length, type, flags, streamId);
  bytes.set(payload, FRAME_HEAD);
  return bytes;
}

export function requestBlock(path: string, fields: [string, string][] = []): Uint8Array {
  return encodeHeaders([
    [":method", "POST"],
    [":scheme", "http"],
    [":path", path],
    [":authority", "localhost"],
    ["content-type", "application/grpc"],
    ["te", "trailers"],
    ...fields,
  ]);
}

export { ErrorCode, Flag, FrameType, Setting, uint32 };
