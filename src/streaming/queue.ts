import { LIMITS } from "./limits.ts";
import type { ByteSource } from "./types.ts";

/** Counts what the streams of one connection hold, so that the connection stops being read when it is too much. */
export class QueueBudget {
  #queued = 0;
  #resume?: () => void;
  #closed = false;

  constructor(private readonly limit: number = LIMITS.queuedBytes) {}

  get queued(): number {
    return this.#queued;
  }

  change(by: number): void {
    this.#queued += by;
    if (this.#queued <= this.limit) this.#wake();
  }

  /** Resolves when there is room for more, or the connection is over. */
  async room(): Promise<void> {
    while (this.#queued > this.limit && !this.#closed) await new Promise<void>((resolve) => this.#resume = resolve);
  }

  /** The connection is over. */
  close(): void {
    this.#closed = true;
    this.#wake();
  }

  #wake(): void {
    const resume = this.#resume;
    this.#resume = undefined;
    resume?.();
  }
}

/** Bytes between the reader of a connection and the taker of one of its streams. */
export class ByteQueue implements ByteSource {
  #pieces: Uint8Array[] = [];
  #charged = 0;
  #ended = false;
  #discarding = false;
  #wake?: () => void;

  constructor(private readonly budget: QueueBudget) {}

  get ended(): boolean {
    return this.#ended;
  }

  /** Copies: `bytes` may be a view of a buffer that is used again. */
  push(bytes: Uint8Array): void {
    if (this.#takes(bytes)) this.pushOwned(bytes.slice());
  }

  /** As push, for bytes that nobody else will change. */
  pushOwned(bytes: Uint8Array): void {
    if (!this.#takes(bytes)) return;
    this.#pieces.push(bytes);
    this.#charge(bytes.length + LIMITS.pieceOverhead);
    this.#wake?.();
  }

  #takes(bytes: Uint8Array): boolean {
    return !this.#ended && !this.#discarding && bytes.length > 0;
  }

  /** What is queued can still be read. */
  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  async read(): Promise<Uint8Array | null> {
    for (;;) {
      const piece = this.#pieces.shift();
      if (piece !== undefined) {
        this.#charge(-piece.length - LIMITS.pieceOverhead);
        return piece;
      }
      if (this.#ended || this.#discarding) return null;
      await new Promise<void>((resolve) => this.#wake = resolve);
      this.#wake = undefined;
    }
  }

  discard(): void {
    this.#discarding = true;
    this.#pieces = [];
    this.#charge(-this.#charged);
    this.#wake?.();
  }

  #charge(by: number): void {
    this.#charged += by;
    this.budget.change(by);
  }
}
