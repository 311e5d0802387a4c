import { type Kernel, O_NONBLOCK, O_RDONLY } from "../sys/mod.ts";

const PIECE = 64 * 1024;

/** A log file that grows, and that is replaced when it is rotated. */
export class LogSource implements Disposable {
  readonly #kernel: Kernel;
  readonly #path: string;
  #fd: number;
  #offset = 0;

  constructor(kernel: Kernel, path: string) {
    this.#kernel = kernel;
    this.#path = path;
    this.#fd = this.#open();
  }

  /** What has come since the last call, in pieces; after a rotation, the rest of the old file and then the new one. */
  *read(): Generator<Uint8Array> {
    yield* this.#rest();
    if (!this.#replaced()) return;
    this.#kernel.close(this.#fd);
    this.#fd = this.#open();
    this.#offset = 0;
    yield* this.#rest();
  }

  *#rest(): Generator<Uint8Array> {
    const piece = new Uint8Array(PIECE);
    for (let length = -1; length !== 0; this.#offset += length) {
      length = this.#kernel.pread(this.#fd, piece, this.#offset);
      if (length > 0) yield piece.subarray(0, length);
    }
  }

  #replaced(): boolean {
    if (!this.#kernel.exists(this.#path)) return false;
    return this.#kernel.stat(this.#path).ino !== this.#kernel.fstat(this.#fd).ino;
  }

  #open(): number {
    // O_NONBLOCK: a fifo in the place of the file must not hold us.
    return this.#kernel.open(this.#path, O_RDONLY | O_NONBLOCK);
  }

  [Symbol.dispose](): void {
    this.#kernel.close(this.#fd);
  }
}
