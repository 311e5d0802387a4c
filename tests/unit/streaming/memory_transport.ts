import type { Transport } from "../../../src/streaming/types.ts";
export { concat } from "../../support/bytes.ts";

/** A connection whose other end is the test: what it sends is given piece by piece, what it gets is kept. */
export class MemoryTransport implements Transport {
  onClose?: () => void;
  readonly written: Uint8Array[] = [];
  reads = 0;
  closed = false;
  writeClosed = false;
  #pieces: (Uint8Array | null)[] = [];
  #wake?: () => void;
  /** Set: a write waits for it. */
  hold?: Promise<void>;

  /** As if the client had sent it; null: it has closed its end. */
  give(...pieces: (Uint8Array | null)[]): void {
    this.#pieces.push(...pieces);
    this.#wake?.();
  }

  async read(): Promise<Uint8Array | null> {
    this.reads++;
    while (this.#pieces.length === 0) {
      if (this.closed) return null;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    return this.#pieces.shift()!;
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.hold;
    if (this.closed) throw new Error("closed");
    this.written.push(bytes.slice());
  }

  async closeWrite(): Promise<void> {
    this.writeClosed = true;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.#wake?.();
    this.onClose?.();
  }

  /** Everything that was written, in one. */
  get output(): Uint8Array {
    const whole = new Uint8Array(this.written.reduce((sum, part) => sum + part.length, 0));
    let offset = 0;
    for (const part of this.written) {
      whole.set(part, offset);
      offset += part.length;
    }
    return whole;
  }
}

export const bytes = (text: string) => new TextEncoder().encode(text);
export const text = (data: Uint8Array | null) => data === null ? null : new TextDecoder().decode(data);

/** Lets everything run that is ready to. */
export const settle = () => new Promise<void>((resolve) => setTimeout(resolve, 0));
