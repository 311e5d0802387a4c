import type { ImageOutput } from "../erofs/image.ts";

/** A small image, in memory. */
export class BufferOutput implements ImageOutput {
  #buffer = new Uint8Array(1 << 16);

  write(bytes: Uint8Array, offset: number): void {
    this.#grow(offset + bytes.length);
    this.#buffer.set(bytes, offset);
  }

  read(into: Uint8Array, offset: number): void {
    into.set(this.#buffer.subarray(offset, offset + into.length));
  }

  bytes(length: number): Uint8Array {
    this.#grow(length);
    return this.#buffer.subarray(0, length);
  }

  #grow(length: number): void {
    if (length <= this.#buffer.length) return;
    const larger = new Uint8Array(Math.max(length, this.#buffer.length * 2));
    larger.set(this.#buffer);
    this.#buffer = larger;
  }
}
