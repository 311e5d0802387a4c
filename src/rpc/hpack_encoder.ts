import { staticFieldIndex, staticNameIndex } from "./hpack_table.ts";

const utf8 = new TextEncoder();

/** The octet that tells the peer's decoder that our dynamic table is empty; due after the peer lowered its size. */
export const EMPTY_TABLE_UPDATE = 0x20;

/**
 * Encodes a header list without the dynamic table, so that a block is the same on every connection and can be made once.
 * Values are sent as they are: responses are a few short fields, and Huffman coding would cost more than it saves.
 */
export function encodeHeaders(fields: readonly (readonly [name: string, value: string])[]): Uint8Array {
  const out: number[] = [];
  for (const [name, value] of fields) {
    const index = staticFieldIndex(name, value);
    if (index > 0) {
      putInteger(out, 0x80, 7, index);
      continue;
    }
    const nameIndex = staticNameIndex(name);
    putInteger(out, 0, 4, nameIndex);
    if (nameIndex === 0) putString(out, name);
    putString(out, value);
  }
  return Uint8Array.from(out);
}

function putInteger(out: number[], flags: number, prefixBits: number, value: number): void {
  const mask = (1 << prefixBits) - 1;
  if (value < mask) {
    out.push(flags | value);
    return;
  }
  out.push(flags | mask);
  let rest = value - mask;
  for (; rest >= 0x80; rest >>>= 7) out.push((rest & 0x7f) | 0x80);
  out.push(rest);
}

function putString(out: number[], text: string): void {
  const bytes = utf8.encode(text);
  putInteger(out, 0, 7, bytes.length);
  for (const byte of bytes) out.push(byte);
}
