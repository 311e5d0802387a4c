import { WRITE_BYTES } from "../frame_writer.ts";
import { ByteQueue, type QueueBudget } from "../queue.ts";
import type { ByteSink, ByteSource } from "../types.ts";
import { dataHead } from "./frames.ts";

/** What a stream needs of its session. */
export interface StreamSession {
  send(header: Uint8Array, payload?: Uint8Array): Promise<void>;
  /** The stream is over in both directions. */
  forget(stream: SpdyStream): void;
}

/** A stream that the client has opened. */
export class SpdyStream implements ByteSource, ByteSink {
  readonly #received: ByteQueue;
  #ended = false;
  #aborted = false;
  #onAbort?: () => void;

  constructor(
    private readonly session: StreamSession,
    readonly id: number,
    /** Names in lower case. */
    readonly headers: ReadonlyMap<string, string>,
    budget: QueueBudget,
  ) {
    this.#received = new ByteQueue(budget);
  }

  read(): Promise<Uint8Array | null> {
    return this.#received.read();
  }

  discard(): void {
    this.#received.discard();
  }

  /** `callback` is called once when the client has reset the stream or the connection is over; at once when that is so already. */
  onAbort(callback: () => void): void {
    if (this.#aborted) callback();
    else this.#onAbort = callback;
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#ended) throw new Error(`stream ${this.id} has been ended`);
    for (let offset = 0; offset < bytes.length; offset += WRITE_BYTES) {
      const payload = bytes.subarray(offset, offset + WRITE_BYTES);
      await this.session.send(dataHead(this.id, payload.length, false), payload);
    }
  }

  async end(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    const sent = this.session.send(dataHead(this.id, 0, true));
    if (this.#received.ended) this.session.forget(this);
    await sent;
  }

  /** For the session: a piece from the client. */
  deliver(bytes: Uint8Array, fin: boolean): void {
    this.#received.push(bytes);
    if (!fin) return;
    this.#received.end();
    if (this.#ended) this.session.forget(this);
  }

  /** For the session: reset by the client, or the connection is over. */
  abort(): void {
    this.#ended = true;
    this.#aborted = true;
    this.#received.end();
    this.#onAbort?.();
    this.#onAbort = undefined;
  }
}
