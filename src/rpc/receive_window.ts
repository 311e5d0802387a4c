/** What a peer may still send on a stream, or on a connection (RFC 9113, 6.9). */
export class ReceiveWindow {
  #left: number;
  /** Bytes that came since the last WINDOW_UPDATE. */
  #uncredited = 0;

  /** Credit is given when `threshold` bytes have come, so that it does not cost a frame per frame. */
  constructor(size: number, readonly threshold: number) {
    this.#left = size;
  }

  /** Takes what came; false when it is more than the peer was allowed. */
  take(bytes: number): boolean {
    this.#left -= bytes;
    this.#uncredited += bytes;
    return this.#left >= 0;
  }

  /** The increment that a WINDOW_UPDATE must tell the peer now, or 0 for none yet. */
  credit(): number {
    if (this.#uncredited < this.threshold) return 0;
    const increment = this.#uncredited;
    this.#left += increment;
    this.#uncredited = 0;
    return increment;
  }
}
