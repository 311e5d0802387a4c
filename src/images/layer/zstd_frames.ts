/**
 * Cuts a zstd stream into its frames. The decoder of node:zlib needs that: it refuses skippable frames (zstd:chunked puts
 * its table of contents there), leaves what follows a frame in the same write, and does not notice a stream cut short.
 * Format: RFC 8878, section 3.
 */
export class ZstdFrames {
  #emit: (bytes: Uint8Array) => void;
  #header = new Uint8Array(18);
  #filled = 0;
  #need = 4;
  #onHeader: (header: Uint8Array) => void = (header) => this.#magic(header);
  /** Bytes that pass to the decoder, or are dropped, before the next header. */
  #pass = 0;
  #drop = 0;
  #atFrameStart = true;
  #hasChecksum = false;

  /** @param emit gets the bytes of frames with content, in pieces of which none reaches beyond the end of a frame. */
  constructor(emit: (bytes: Uint8Array) => void) {
    this.#emit = emit;
  }

  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#pass > 0) {
        const count = Math.min(this.#pass, chunk.length - at);
        this.#emit(chunk.subarray(at, at + count));
        this.#pass -= count;
        at += count;
      } else if (this.#drop > 0) {
        const count = Math.min(this.#drop, chunk.length - at);
        this.#drop -= count;
        at += count;
      } else {
        const count = Math.min(this.#need - this.#filled, chunk.length - at);
        this.#header.set(chunk.subarray(at, at + count), this.#filled);
        this.#filled += count;
        at += count;
        if (this.#filled === this.#need) this.#onHeader(this.#header.slice(0, this.#need));
      }
    }
  }

  /** @throws when the stream ends inside a frame. */
  end(): void {
    if (!this.#atFrameStart || this.#filled > 0 || this.#pass > 0 || this.#drop > 0) {
      throw new Error("the zstd stream ends in the middle of a frame");
    }
  }

  #expect(length: number, handle: (header: Uint8Array) => void, keep = false): void {
    this.#need = length;
    if (!keep) this.#filled = 0;
    this.#onHeader = handle;
    // A header of no further bytes is complete already.
    if (this.#filled === length) handle(this.#header.slice(0, length));
  }

  #magic(header: Uint8Array): void {
    const magic = new DataView(header.buffer).getUint32(0, true);
    this.#atFrameStart = false;
    if (magic === ZSTD_MAGIC) return this.#expect(5, (bytes) => this.#descriptor(bytes), true);
    if (!isSkippable(magic)) throw new Error("the zstd stream has bytes between its frames that are none");
    this.#expect(8, (bytes) => {
      this.#drop = new DataView(bytes.buffer).getUint32(4, true);
      this.#nextFrame();
    }, true);
  }

  #descriptor(header: Uint8Array): void {
    const descriptor = header[4];
    const isSingleSegment = (descriptor & 0x20) !== 0;
    this.#hasChecksum = (descriptor & 0x04) !== 0;
    const dictionary = [0, 1, 2, 4][descriptor & 3];
    const contentSize = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6];
    const length = 5 + (isSingleSegment ? 0 : 1) + dictionary + contentSize;
    this.#expect(length, (bytes) => {
      this.#emit(bytes);
      this.#nextBlock();
    }, true);
  }

  #nextBlock(): void {
    this.#expect(3, (bytes) => {
      const value = bytes[0] | (bytes[1] << 8) | (bytes[2] << 16);
      const isLast = (value & 1) !== 0;
      const type = (value >> 1) & 3;
      if (type === 3) throw new Error("the zstd stream has a block of the reserved type");
      this.#emit(bytes);
      // A run-length block holds one byte, however long the run is.
      this.#pass = type === 1 ? 1 : value >> 3;
      if (!isLast) return this.#nextBlock();
      this.#pass += this.#hasChecksum ? 4 : 0;
      this.#nextFrame();
    });
  }

  #nextFrame(): void {
    this.#atFrameStart = true;
    this.#expect(4, (header) => this.#magic(header));
  }
}

export const ZSTD_MAGIC = 0xfd2fb528;

export function isSkippable(magic: number): boolean {
  return magic >>> 4 === 0x184d2a5;
}
