import { concat } from "../memory_transport.ts";

const MASK = Uint8Array.of(0x12, 0x34, 0x56, 0x78);

export interface FrameOptions {
  fin?: boolean;
  mask?: boolean;
  reserved?: number;
  /** Claimed in the head in place of the payload's own. */
  length?: bigint;
}

/** A frame as a client sends it, right or wrong. */
export function clientFrame(opcode: number, payload: Uint8Array, options: FrameOptions = {}): Uint8Array {
  const { fin = true, mask = true, reserved = 0 } = options;
  const length = options.length ?? BigInt(payload.length);
  const size = length < 126n ? 0 : length < 65536n ? 2 : 8;
  const head = new Uint8Array(2 + size);
  const view = new DataView(head.buffer);
  head[0] = (fin ? 0x80 : 0) | reserved | opcode;
  head[1] = (mask ? 0x80 : 0) | (size === 0 ? Number(length) : size === 2 ? 126 : 127);
  if (size === 2) view.setUint16(2, Number(length));
  if (size === 8) view.setBigUint64(2, length);
  return mask ? concat(head, MASK, payload.map((byte, index) => byte ^ MASK[index % 4])) : concat(head, payload);
}

export interface ServerFrame {
  opcode: number;
  payload: Uint8Array;
}

/** The frames that a server has sent; all of them must be whole and unmasked. */
export function serverFrames(output: Uint8Array): ServerFrame[] {
  const frames: ServerFrame[] = [];
  for (let offset = 0; offset < output.length;) {
    const view = new DataView(output.buffer, output.byteOffset + offset);
    const [first, second] = output.subarray(offset);
    if ((first & 0xf0) !== 0x80 || (second & 0x80) !== 0) throw new Error("not a whole, unmasked frame");
    const size = second < 126 ? 2 : second === 126 ? 4 : 10;
    const length = size === 2 ? second : size === 4 ? view.getUint16(2) : Number(view.getBigUint64(2));
    frames.push({ opcode: first & 15, payload: output.slice(offset + size, offset + size + length) });
    offset += size + length;
  }
  return frames;
}
