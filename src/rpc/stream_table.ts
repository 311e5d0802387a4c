import { MAX_WINDOW } from "./frames.ts";
import type { Stream } from "./stream.ts";

/** The streams of one connection, and what they cost together. */
export class StreamTable {
  /** The highest stream that the peer has begun. */
  lastId = 0;
  /** Streams above it are not taken any more. */
  lastAccepted = MAX_WINDOW;

  #open = new Map<number, Stream>();
  /** Streams that we ended before the peer did: what is still on its way for them is no error. The newest only. */
  #cutShort = new Set<number>();
  /** Handlers that run on for streams that are gone. */
  #lingering = 0;
  #held = 0;

  constructor(readonly maxConcurrent: number, readonly maxHeldBytes: number) {}

  get size(): number {
    return this.#open.size;
  }

  /** Whether one more stream may begin; handlers of reset streams count, or a reset would buy another handler. */
  hasRoom(): boolean {
    return this.#open.size + this.#lingering < this.maxConcurrent;
  }

  /** The peer has not begun it, or never can because the number is even. */
  isIdle(id: number): boolean {
    return id > this.lastId || id % 2 === 0;
  }

  find(id: number): Stream | undefined {
    return this.#open.get(id);
  }

  all(): Stream[] {
    return [...this.#open.values()];
  }

  add(stream: Stream): void {
    this.#open.set(stream.id, stream);
  }

  /** The stream is closed: its request no longer counts, its handler does until it ends. */
  remove(stream: Stream): void {
    stream.closed = true;
    this.#open.delete(stream.id);
    this.#held -= stream.held;
    if (stream.working) this.#lingering++;
  }

  setWorking(stream: Stream, working: boolean): void {
    if (stream.working === working) return;
    stream.working = working;
    if (stream.closed && !working) this.#lingering--;
  }

  /** Counts request bytes that stay in memory until the call ends; false when it would be too many. */
  hold(stream: Stream, bytes: number): boolean {
    if (this.#held + bytes > this.maxHeldBytes) return false;
    this.#held += bytes;
    stream.held += bytes;
    return true;
  }

  cutShort(id: number): void {
    this.#cutShort.add(id);
    if (this.#cutShort.size <= this.maxConcurrent) return;
    for (const oldest of this.#cutShort) {
      this.#cutShort.delete(oldest);
      return;
    }
  }

  wasCutShort(id: number): boolean {
    return this.#cutShort.has(id);
  }
}
