import type { Transform } from "node:stream";
import * as zlib from "node:zlib";
import { isSkippable, ZSTD_MAGIC, ZstdFrames } from "./zstd_frames.ts";

/** Size of the pieces that come out; larger ones mean fewer turns. */
const OUTPUT_CHUNK = 1 << 18;
/** Bytes that tell the formats apart. */
const MAGIC_LENGTH = 4;

/** Turns the bytes of a compressed layer into those of its tar. */
export interface Inflater {
  /** `bytes` has been used up when this returns. */
  write(bytes: Uint8Array): void;
  /** @throws when the stream is not complete. */
  end(): void;
  close(): void;
}

/**
 * Recognises gzip and zstd by their first bytes, as media types lie; anything else is taken for the tar itself. What comes
 * out is in memory that is used again for the next piece, of whichever layer.
 */
export class DetectingInflater implements Inflater {
  #output: (bytes: Uint8Array) => void;
  #head = new Uint8Array(0);
  #inner: Inflater | undefined;

  constructor(output: (bytes: Uint8Array) => void) {
    this.#output = output;
  }

  write(bytes: Uint8Array): void {
    if (this.#inner) return this.#inner.write(bytes);
    if (this.#head.length > 0) {
      const head = new Uint8Array(this.#head.length + bytes.length);
      head.set(this.#head);
      head.set(bytes, this.#head.length);
      bytes = head;
    }
    if (bytes.length >= MAGIC_LENGTH) this.#open(bytes);
    else this.#head = bytes.slice();
  }

  end(): void {
    if (!this.#inner) this.#open(this.#head);
    this.#inner!.end();
  }

  close(): void {
    this.#inner?.close();
  }

  #open(head: Uint8Array): void {
    this.#inner = inflaterFor(head, this.#output);
    if (head.length > 0) this.#inner.write(head);
  }
}

function inflaterFor(head: Uint8Array, output: (bytes: Uint8Array) => void): Inflater {
  if (head.length >= 2 && head[0] === 0x1f && head[1] === 0x8b) return new GzipInflater(output);
  const magic = head.length < 4 ? 0 : new DataView(head.buffer, head.byteOffset).getUint32(0, true);
  if (magic === ZSTD_MAGIC || isSkippable(magic)) return new ZstdInflater(output);
  return { write: output, end: () => {}, close: () => {} };
}

class GzipInflater implements Inflater {
  #decoder: Decoder;
  #ended = false;

  constructor(output: (bytes: Uint8Array) => void) {
    this.#decoder = new Decoder(zlib.createGunzip(smallest), output);
  }

  write(bytes: Uint8Array): void {
    const rest = this.#ended ? bytes : this.#decoder.write(bytes);
    if (rest.length === 0) return;
    // Behind the last member there may be padding.
    this.#ended = true;
    if (rest.some((byte) => byte !== 0)) {
      throw new Error("the gzip stream has bytes behind its end that are no part of it");
    }
  }

  end(): void {
    this.#decoder.finish();
  }

  close(): void {
    this.#decoder.close();
  }
}

class ZstdInflater implements Inflater {
  #decoder: Decoder;
  #frames: ZstdFrames;

  constructor(output: (bytes: Uint8Array) => void) {
    // The type definitions are older than the function.
    const create = (zlib as unknown as { createZstdDecompress(options: object): Transform }).createZstdDecompress;
    const decoder = this.#decoder = new Decoder(create(smallest), output);
    // None of these reaches beyond the end of a frame.
    this.#frames = new ZstdFrames((bytes) => {
      if (decoder.write(bytes).length > 0) throw new Error("the zstd stream has a frame that ends early");
    });
  }

  write(bytes: Uint8Array): void {
    this.#frames.push(bytes);
  }

  end(): void {
    this.#frames.end();
  }

  close(): void {
    this.#decoder.close();
  }
}

/** The buffer that a stream of node:zlib brings along is not used. */
const smallest = { chunkSize: 64 };

/** What node:zlib's own streams are made on, as Node.js has it, too. */
interface ZlibHandle {
  onerror: (message: string) => void;
  writeSync(
    flush: number,
    input: Uint8Array,
    inputOffset: number,
    inputLength: number,
    output: Uint8Array,
    outputOffset: number,
    outputLength: number,
  ): void;
}

/** One for all: it is empty again before anything else is written. */
let shared: Uint8Array | undefined;

/**
 * A decoder of node:zlib without the stream around it: that takes a new buffer for each piece that comes out, and the heap
 * grows by tens of megabytes until they are collected.
 */
class Decoder {
  #stream: Transform;
  #handle: ZlibHandle;
  /** What writeSync leaves: bytes free in the output, bytes left of the input. */
  #state: Uint32Array;
  #output: (bytes: Uint8Array) => void;
  #failure: string | undefined;

  constructor(stream: Transform, output: (bytes: Uint8Array) => void) {
    this.#stream = stream;
    this.#output = output;
    const inner = stream as unknown as { _handle: ZlibHandle; _writeState: Uint32Array };
    this.#handle = inner._handle;
    this.#state = inner._writeState;
    this.#handle.onerror = (message) => this.#failure = message;
  }

  /** Returns what the decoder did not want: its stream has ended before. */
  write(bytes: Uint8Array): Uint8Array {
    return this.#run(zlib.constants.Z_NO_FLUSH, bytes);
  }

  /** @throws when the stream has not ended. */
  finish(): void {
    this.#run(zlib.constants.Z_FINISH, new Uint8Array(0));
  }

  close(): void {
    this.#stream.destroy();
  }

  #run(flush: number, bytes: Uint8Array): Uint8Array {
    const output = shared ??= new Uint8Array(OUTPUT_CHUNK);
    for (let at = 0;;) {
      const before = at;
      this.#handle.writeSync(flush, bytes, at, bytes.length - at, output, 0, output.length);
      if (this.#failure !== undefined) throw new Error(this.#failure);
      const [free, left] = this.#state;
      const count = output.length - free;
      at = bytes.length - left;
      if (count > 0) this.#output(output.subarray(0, count));
      if (free > 0 && (left === 0 || (at === before && count === 0))) return bytes.subarray(at);
    }
  }
}
