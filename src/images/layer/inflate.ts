import type { Buffer } from "node:buffer";
import type { Transform } from "node:stream";
import * as zlib from "node:zlib";
import { isSkippable, ZSTD_MAGIC, ZstdFrames } from "./zstd_frames.ts";

/** Size of the pieces that come out; larger ones mean fewer turns. */
const OUTPUT_CHUNK = 1 << 18;
/** Bytes that tell the formats apart. */
const MAGIC_LENGTH = 4;

/** Turns the bytes of a compressed layer into those of its tar. */
export interface Inflater {
  /** Settles when `bytes` has been used up; until then it must not change. */
  write(bytes: Uint8Array): Promise<void>;
  /** @throws when the stream is not complete. */
  end(): Promise<void>;
  close(): void;
}

/** Recognises gzip and zstd by their first bytes, as media types lie; anything else is taken for the tar itself. */
export class DetectingInflater implements Inflater {
  #output: (bytes: Uint8Array) => void;
  #head = new Uint8Array(0);
  #inner: Inflater | undefined;

  constructor(output: (bytes: Uint8Array) => void) {
    this.#output = output;
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#inner) return await this.#inner.write(bytes);
    const head = new Uint8Array(this.#head.length + bytes.length);
    head.set(this.#head);
    head.set(bytes, this.#head.length);
    this.#head = head;
    if (head.length >= MAGIC_LENGTH) await this.#open();
  }

  async end(): Promise<void> {
    if (!this.#inner) await this.#open();
    await this.#inner!.end();
  }

  close(): void {
    this.#inner?.close();
  }

  async #open(): Promise<void> {
    const head = this.#head;
    this.#head = new Uint8Array(0);
    this.#inner = inflaterFor(head, this.#output);
    if (head.length > 0) await this.#inner.write(head);
  }
}

function inflaterFor(head: Uint8Array, output: (bytes: Uint8Array) => void): Inflater {
  if (head.length >= 2 && head[0] === 0x1f && head[1] === 0x8b) {
    return new StreamInflater(zlib.createGunzip({ chunkSize: OUTPUT_CHUNK }), output);
  }
  const magic = head.length < 4 ? 0 : new DataView(head.buffer, head.byteOffset).getUint32(0, true);
  if (magic === ZSTD_MAGIC || isSkippable(magic)) return new ZstdInflater(output);
  return { write: (bytes) => Promise.resolve(output(bytes)), end: () => Promise.resolve(), close: () => {} };
}

class ZstdInflater implements Inflater {
  #inner: StreamInflater;
  /** What is to be written, in one write each: none reaches beyond the end of a frame. */
  #writes: Uint8Array[][] = [[]];
  #frames = new ZstdFrames(
    (bytes) => this.#writes[this.#writes.length - 1].push(bytes),
    () => this.#writes.push([]),
  );

  constructor(output: (bytes: Uint8Array) => void) {
    const options = { chunkSize: OUTPUT_CHUNK };
    // The type definitions are older than the function.
    const create = (zlib as unknown as { createZstdDecompress(options: object): Transform }).createZstdDecompress;
    this.#inner = new StreamInflater(create(options), output);
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#frames.push(bytes);
    const writes = this.#writes;
    this.#writes = [[]];
    for (const parts of writes) if (parts.length > 0) await this.#inner.write(joined(parts));
  }

  async end(): Promise<void> {
    this.#frames.end();
    await this.#inner.end();
  }

  close(): void {
    this.#inner.close();
  }
}

function joined(parts: Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0];
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** A node:zlib stream, fed one piece at a time so that nothing queues up. */
class StreamInflater implements Inflater {
  #stream: Transform;
  #failure: Error | undefined;
  #failed: Promise<never>;
  #ended: Promise<void>;

  constructor(stream: Transform, output: (bytes: Uint8Array) => void) {
    this.#stream = stream;
    const { promise, reject } = Promise.withResolvers<never>();
    this.#failed = promise;
    promise.catch(() => {});
    const fail = (error: unknown) => {
      this.#failure ??= error instanceof Error ? error : new Error(String(error));
      reject(this.#failure);
    };
    stream.on("error", fail);
    stream.on("data", (chunk: Buffer) => {
      if (this.#failure) return;
      try {
        // The memory of `chunk` is used again for the next one.
        output(chunk);
      } catch (error) {
        fail(error);
        stream.destroy();
      }
    });
    this.#ended = new Promise((resolve) => stream.on("end", () => resolve()));
  }

  async write(bytes: Uint8Array): Promise<void> {
    const written = new Promise<void>((resolve, reject) => {
      this.#stream.write(bytes, (error) => error ? reject(error) : resolve());
    });
    await Promise.race([this.#failed, written]);
    if (this.#failure) throw this.#failure;
  }

  async end(): Promise<void> {
    this.#stream.end();
    await Promise.race([this.#failed, this.#ended]);
    if (this.#failure) throw this.#failure;
  }

  close(): void {
    this.#stream.destroy();
  }
}
