import { LIMITS } from "../limits.ts";
import { SpdyError } from "./error.ts";

export const SYN_STREAM = 1;
export const SYN_REPLY = 2;
export const RST_STREAM = 3;
export const PING = 6;
export const GOAWAY = 7;
export const HEADERS = 8;

export const FLAG_FIN = 1;
const HEAD_BYTES = 8;
const VERSION = 3;

export interface DataPiece {
  kind: "data";
  stream: number;
  /** A part of the frame's payload. */
  bytes: Uint8Array;
  /** The last of the stream. */
  fin: boolean;
}

export interface ControlFrame {
  kind: "control";
  type: number;
  flags: number;
  body: Uint8Array;
}

/**
 * Cuts what comes from the connection into frames. Data is handed on as it comes, so a frame of 16 MiB costs no memory;
 * control frames are put together, up to a limit.
 */
export class FrameReader {
  readonly #head = new Uint8Array(HEAD_BYTES);
  #headLength = 0;
  #data?: { stream: number; left: number; fin: boolean };
  #control?: { type: number; flags: number; body: Uint8Array; length: number };

  /** The yielded bytes are views into `bytes`: valid until the caller uses that buffer again. */
  *push(bytes: Uint8Array): Generator<DataPiece | ControlFrame> {
    let offset = 0;
    for (;;) {
      if (this.#data !== undefined) {
        const { stream, fin } = this.#data;
        const piece = bytes.subarray(offset, offset + this.#data.left);
        offset += piece.length;
        this.#data.left -= piece.length;
        const last = this.#data.left === 0;
        if (last) this.#data = undefined;
        else if (piece.length === 0) return;
        yield { kind: "data", stream, bytes: piece, fin: last && fin };
      } else if (this.#control !== undefined) {
        const control = this.#control;
        const piece = bytes.subarray(offset, offset + control.body.length - control.length);
        control.body.set(piece, control.length);
        offset += piece.length;
        control.length += piece.length;
        if (control.length < control.body.length) return;
        this.#control = undefined;
        yield { kind: "control", type: control.type, flags: control.flags, body: control.body };
      } else {
        const piece = bytes.subarray(offset, offset + HEAD_BYTES - this.#headLength);
        this.#head.set(piece, this.#headLength);
        offset += piece.length;
        this.#headLength += piece.length;
        if (this.#headLength < HEAD_BYTES) return;
        this.#headLength = 0;
        this.#begin();
      }
    }
  }

  #begin(): void {
    const view = new DataView(this.#head.buffer);
    const first = view.getUint32(0);
    const flags = this.#head[4];
    const length = view.getUint32(4) & 0xffffff;
    if (first < 0x80000000) {
      this.#data = { stream: first, left: length, fin: (flags & FLAG_FIN) !== 0 };
      return;
    }
    const version = (first >>> 16) & 0x7fff;
    if (version !== VERSION) throw new SpdyError(`a frame of SPDY version ${version}; only 3 is spoken here`);
    if (length > LIMITS.controlFrameBytes) {
      throw new SpdyError(`a control frame of ${length} bytes; at most ${LIMITS.controlFrameBytes} are taken`);
    }
    this.#control = { type: first & 0xffff, flags, body: new Uint8Array(length), length: 0 };
  }
}

export function dataHead(stream: number, length: number, fin: boolean): Uint8Array {
  const head = new Uint8Array(HEAD_BYTES);
  const view = new DataView(head.buffer);
  view.setUint32(0, stream);
  view.setUint32(4, length);
  if (fin) head[4] = FLAG_FIN;
  return head;
}

/** A control frame whose body begins with these 32-bit words. */
export function controlFrame(type: number, words: number[], rest?: Uint8Array): Uint8Array {
  const frame = new Uint8Array(HEAD_BYTES + words.length * 4 + (rest?.length ?? 0));
  const view = new DataView(frame.buffer);
  view.setUint32(0, (0x80000000 | (VERSION << 16) | type) >>> 0);
  view.setUint32(4, frame.length - HEAD_BYTES);
  for (const [index, word] of words.entries()) view.setUint32(HEAD_BYTES + index * 4, word);
  if (rest !== undefined) frame.set(rest, HEAD_BYTES + words.length * 4);
  return frame;
}
