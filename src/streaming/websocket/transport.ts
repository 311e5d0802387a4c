import { WRITE_BYTES } from "../frame_writer.ts";
import { ByteQueue } from "../queue.ts";
import type { Transport } from "../types.ts";
import { WebSocketSession } from "./session.ts";

/** A byte connection inside the binary messages of a WebSocket: where one message ends means nothing. */
export class WebSocketTransport implements Transport {
  onClose?: () => void;
  readonly #session: WebSocketSession;
  readonly #received: ByteQueue;

  constructor(transport: Transport) {
    this.#session = new WebSocketSession(transport, (piece) => this.#received.pushOwned(piece.bytes));
    this.#received = new ByteQueue(this.#session.budget);
    this.#session.ended.then(() => {
      this.#received.end();
      this.onClose?.();
    });
  }

  read(): Promise<Uint8Array | null> {
    return this.#received.read();
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let offset = 0; offset < bytes.length; offset += WRITE_BYTES) {
      await this.#session.send("binary", bytes.subarray(offset, offset + WRITE_BYTES));
    }
  }

  async closeWrite(): Promise<void> {
    this.#received.discard();
    await this.#session.finish();
  }

  close(): void {
    this.#received.discard();
    this.#session.finish();
  }
}
