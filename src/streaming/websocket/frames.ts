import { CLOSE_PROTOCOL_ERROR, WebSocketError } from "./error.ts";

export const CONTINUATION = 0;
export const TEXT = 1;
export const BINARY = 2;
export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;

const FIN = 0x80;
const RESERVED = 0x70;
const MASKED = 0x80;
const CONTROL_BYTES = 125;
const MAX_HEAD_BYTES = 14;

export interface MessagePiece {
  kind: "message";
  /** The first piece of a message. */
  first: boolean;
  /** The last one. */
  last: boolean;
  bytes: Uint8Array;
}

export interface ControlFrame {
  kind: "control";
  opcode: number;
  body: Uint8Array;
}

interface Frame {
  opcode: number;
  fin: boolean;
  /** A bigint would cost a lot; 2^53 bytes do not come. */
  left: number;
  length: number;
  mask: Uint8Array;
  first: boolean;
}

const protocolError = (message: string) => new WebSocketError(CLOSE_PROTOCOL_ERROR, message);

/** Cuts what comes from a client into messages, handing each on in pieces as it comes: its length costs no memory. */
export class FrameReader {
  readonly #head = new Uint8Array(MAX_HEAD_BYTES);
  #headLength = 0;
  #frame?: Frame;
  #control?: Uint8Array;
  /** Inside a fragmented message. */
  #fragmented = false;

  /** WebSocketError when the client breaks the protocol. The yielded bytes are copies. */
  *push(bytes: Uint8Array): Generator<MessagePiece | ControlFrame> {
    let offset = 0;
    for (;;) {
      const frame = this.#frame;
      if (frame === undefined) {
        const needed = this.#headNeeds();
        const piece = bytes.subarray(offset, offset + needed - this.#headLength);
        this.#head.set(piece, this.#headLength);
        this.#headLength += piece.length;
        offset += piece.length;
        if (this.#headLength < needed) return;
        if (needed === this.#headNeeds()) this.#begin();
        continue;
      }
      const piece = unmasked(bytes.subarray(offset, offset + frame.left), frame.mask, frame.length - frame.left);
      offset += piece.length;
      frame.left -= piece.length;
      const whole = frame.left === 0;
      if (whole) this.#frame = undefined;
      if (this.#control !== undefined) {
        this.#control.set(piece, frame.length - frame.left - piece.length);
        if (!whole) return;
        const body = this.#control;
        this.#control = undefined;
        yield { kind: "control", opcode: frame.opcode, body };
      } else {
        if (piece.length === 0 && !whole) return;
        const { first } = frame;
        frame.first = false;
        yield { kind: "message", first, last: whole && frame.fin, bytes: piece };
      }
    }
  }

  /** Bytes of the frame's head as far as is known yet. */
  #headNeeds(): number {
    if (this.#headLength < 2) return 2;
    const length = this.#head[1] & 0x7f;
    return 2 + (length === 126 ? 2 : length === 127 ? 8 : 0) + ((this.#head[1] & MASKED) !== 0 ? 4 : 0);
  }

  #begin(): void {
    const [start, second] = this.#head;
    const opcode = start & 0x0f;
    const fin = (start & FIN) !== 0;
    if ((start & RESERVED) !== 0) throw protocolError("a reserved bit is set, and no extension was agreed on");
    if ((second & MASKED) === 0) throw protocolError("a frame of a client must be masked");
    const view = new DataView(this.#head.buffer);
    const short = second & 0x7f;
    const length = short === 126 ? view.getUint16(2) : short === 127 ? Number(view.getBigUint64(2)) : short;
    if (length > Number.MAX_SAFE_INTEGER) throw protocolError("a frame is longer than can be");
    const mask = this.#head.slice(this.#headLength - 4, this.#headLength);
    this.#headLength = 0;
    this.#frame = { opcode, fin, left: length, length, mask, first: opcode !== CONTINUATION };
    if (opcode >= CLOSE) {
      if (opcode > PONG) throw protocolError(`unknown opcode ${opcode}`);
      if (!fin) throw protocolError("a control frame must not be fragmented");
      if (length > CONTROL_BYTES) throw protocolError(`a control frame of ${length} bytes; at most 125 are allowed`);
      this.#control = new Uint8Array(length);
      return;
    }
    if (opcode > BINARY) throw protocolError(`unknown opcode ${opcode}`);
    if ((opcode === CONTINUATION) !== this.#fragmented) {
      throw protocolError(this.#fragmented ? "a message begins inside another" : "a continuation of nothing");
    }
    this.#fragmented = !fin;
  }
}

/** A copy without the mask, made four bytes at a time; `position` is the offset of the first byte in its frame. */
function unmasked(bytes: Uint8Array, mask: Uint8Array, position: number): Uint8Array {
  const copy = bytes.slice();
  const words = new Int32Array(copy.buffer, 0, copy.length >> 2);
  const key = new Uint8Array(4);
  for (let i = 0; i < 4; i++) key[i] = mask[(position + i) & 3];
  const word = new Int32Array(key.buffer)[0];
  for (let i = 0; i < words.length; i++) words[i] ^= word;
  for (let i = words.length * 4; i < copy.length; i++) copy[i] ^= key[i & 3];
  return copy;
}

/** Head of an unmasked, unfragmented frame. `prefix` is the first byte of the payload where that is not the caller's own. */
export function frameHead(opcode: number, length: number, prefix?: number): Uint8Array {
  const total = length + (prefix === undefined ? 0 : 1);
  const size = total < 126 ? 2 : total < 65536 ? 4 : 10;
  const head = new Uint8Array(size + (prefix === undefined ? 0 : 1));
  const view = new DataView(head.buffer);
  head[0] = FIN | opcode;
  head[1] = size === 2 ? total : size === 4 ? 126 : 127;
  if (size === 4) view.setUint16(2, total);
  else if (size === 10) view.setBigUint64(2, BigInt(total));
  if (prefix !== undefined) head[size] = prefix;
  return head;
}
