import { FrameWriter, WRITE_BYTES } from "../frame_writer.ts";
import { QueueBudget } from "../queue.ts";
import type { Transport } from "../types.ts";
import { CLOSE_NORMAL, CLOSE_PROTOCOL_ERROR, WebSocketError } from "./error.ts";
import { BINARY, CLOSE, frameHead, FrameReader, type MessagePiece, PING, PONG, TEXT } from "./frames.ts";

/** Milliseconds for the client to take the last bytes and to answer the close. */
const LINGER = 3_000;

const encoder = new TextEncoder();

/** The server's end of a WebSocket (RFC 6455), without extensions. */
export class WebSocketSession {
  readonly #frames = new FrameReader();
  readonly #writer: FrameWriter;
  readonly budget = new QueueBudget();
  /** Resolves when the client has gone, has closed, or has broken the protocol. Never rejects. */
  readonly ended: Promise<void>;
  /** What the client did wrong, once it has ended for that. */
  error?: WebSocketError;
  #over = false;
  #closeSent = false;

  /** `onPiece` gets every piece of every message in order; a WebSocketError from it ends the connection. */
  constructor(private readonly transport: Transport, private readonly onPiece: (piece: MessagePiece) => void) {
    this.#writer = new FrameWriter(transport);
    transport.onClose = () => this.budget.close();
    this.ended = this.#serve();
  }

  /** Sends one message; `prefix` is put in front of its bytes. */
  async send(kind: "text" | "binary", bytes: Uint8Array, prefix?: number): Promise<void> {
    const opcode = kind === "text" ? TEXT : BINARY;
    if (bytes.length <= WRITE_BYTES) {
      return await this.#send(frameHead(opcode, bytes.length, prefix), bytes);
    }
    throw new RangeError(`a message of ${bytes.length} bytes; at most ${WRITE_BYTES} are sent in one`);
  }

  /** The close handshake; then the connection is over. Never rejects. */
  async finish(): Promise<void> {
    await this.#close(CLOSE_NORMAL, "");
    const timer = setTimeout(() => this.transport.close(), LINGER);
    await this.transport.closeWrite();
    await this.ended;
    clearTimeout(timer);
  }

  async #serve(): Promise<void> {
    // The constructor's caller must have its hands free before the first message comes.
    await Promise.resolve();
    try {
      for (let bytes; (bytes = await this.transport.read()) !== null;) {
        for (const frame of this.#frames.push(bytes)) {
          if (frame.kind === "message") this.onPiece(frame);
          else if (frame.opcode === PING) await this.#send(frameHead(PONG, frame.body.length), frame.body);
          else if (frame.opcode === CLOSE) {
            this.#checkClose(frame.body);
            await this.#close(CLOSE_NORMAL, "");
            return;
          }
        }
        await this.budget.room();
      }
    } catch (error) {
      if (error instanceof WebSocketError) {
        this.error = error;
        await this.#close(error.code, error.message);
      }
    } finally {
      this.#over = true;
      this.transport.close();
    }
  }

  #checkClose(body: Uint8Array): void {
    if (body.length === 1) throw new WebSocketError(CLOSE_PROTOCOL_ERROR, "a close frame with half a code");
  }

  #send(head: Uint8Array, bytes?: Uint8Array): Promise<void> {
    if (this.#over || this.#closeSent) return Promise.reject(new Error("the client has gone"));
    return this.#writer.send(head, bytes);
  }

  async #close(code: number, reason: string): Promise<void> {
    if (this.#closeSent) return;
    const text = encoder.encode(reason).subarray(0, 123);
    const body = new Uint8Array(2 + text.length);
    new DataView(body.buffer).setUint16(0, code);
    body.set(text, 2);
    const sent = this.#send(frameHead(CLOSE, body.length), body);
    this.#closeSent = true;
    await sent.catch(() => {});
  }
}
