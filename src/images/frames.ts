/**
 * What the fetch child writes and the parse child reads: a header of 8 bytes (kind, stream, two zero bytes, payload
 * length as a little-endian 32-bit number), then the payload. Streams 0 to 63 are layers, the one after them documents.
 */
export enum FrameKind {
  /** Payload: JSON, {@link StreamStart}. */
  START = 1,
  DATA = 2,
  END = 3,
  /** What came of the stream so far is to be forgotten: the download failed. */
  ABORT = 4,
}

/** Layers that one pair of children can carry at most. */
export const MAX_SLOTS = 64;
/** The stream number of manifests, indexes and configs. */
export const DOCUMENT_STREAM = MAX_SLOTS;

export const FRAME_HEADER_LENGTH = 8;
export const MAX_FRAME_PAYLOAD = 1 << 20;

/** `absent` stands for a document that there is none of. */
export type DocumentRole = "manifest" | "config" | "signature" | "attachment" | "absent";

export type StreamStart =
  | { role: DocumentRole; mediaType: string }
  | { role: "layer"; size: number }
  /** Of an artifact; see {@link ArtifactBlob}. */
  | { role: "blob"; size: number; title: string };

export interface Frame {
  kind: FrameKind;
  stream: number;
  /** Valid until the next frame is read. */
  payload: Uint8Array;
}

/** Header of a frame whose payload follows in writes of its own. */
export function frameHeader(kind: FrameKind, stream: number, length: number): Uint8Array {
  if (length > MAX_FRAME_PAYLOAD) throw new RangeError(`frame payload of ${length} bytes is over ${MAX_FRAME_PAYLOAD}`);
  const header = new Uint8Array(FRAME_HEADER_LENGTH);
  header[0] = kind;
  header[1] = stream;
  new DataView(header.buffer).setUint32(4, length, true);
  return header;
}

/** The writer ended in the middle of something; it knows why. */
export class TruncatedFrames extends Error {}

/** Reads frames from a source that fills a buffer and returns how many bytes it put there, or null at the end. */
export class FrameReader {
  #buffer = new Uint8Array(FRAME_HEADER_LENGTH + MAX_FRAME_PAYLOAD);
  #start = 0;
  #end = 0;
  #source: (into: Uint8Array) => number | null;

  constructor(source: (into: Uint8Array) => number | null) {
    this.#source = source;
  }

  /** The next frame, or null when the source ended between two frames. */
  next(): Frame | null {
    if (!this.#fill(FRAME_HEADER_LENGTH)) return null;
    const view = new DataView(this.#buffer.buffer, this.#start);
    const kind = view.getUint8(0);
    const stream = view.getUint8(1);
    const length = view.getUint32(4, true);
    if (kind < FrameKind.START || kind > FrameKind.ABORT) throw new Error(`frame of unknown kind ${kind}`);
    if (stream > DOCUMENT_STREAM) throw new Error(`frame for unknown stream ${stream}`);
    if (length > MAX_FRAME_PAYLOAD) throw new Error(`frame payload of ${length} bytes is over ${MAX_FRAME_PAYLOAD}`);
    if (!this.#fill(FRAME_HEADER_LENGTH + length)) throw new TruncatedFrames();
    const begin = this.#start + FRAME_HEADER_LENGTH;
    this.#start = begin + length;
    return { kind, stream, payload: this.#buffer.subarray(begin, begin + length) };
  }

  /** Makes `length` bytes available from #start; false when the source ended with nothing left over. */
  #fill(length: number): boolean {
    if (this.#start + length > this.#buffer.length) {
      this.#buffer.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    while (this.#end - this.#start < length) {
      const count = this.#source(this.#buffer.subarray(this.#end));
      if (count === null) {
        if (this.#end === this.#start) return false;
        throw new TruncatedFrames();
      }
      this.#end += count;
    }
    return true;
  }
}
