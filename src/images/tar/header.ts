import { type ByteString, byteString } from "./entry.ts";

/** A 512-byte tar header as it is, before extension headers change it. */
export interface RawHeader {
  type: number;
  name: ByteString;
  link: ByteString;
  mode: number;
  uid: number;
  gid: number;
  size: number;
  mtime: number;
  major: number;
  minor: number;
}

const NUL = 0;
const SPACE = 0x20;
const ZERO = 0x30;
const SEVEN = 0x37;

/** @throws when the checksum or a number is wrong. */
export function parseHeader(block: Uint8Array): RawHeader {
  checkSum(block);
  return {
    type: block[156],
    name: fullName(block),
    link: text(block, 157, 100),
    mode: number(block, 100, 8, "mode") & 0o7777,
    uid: number(block, 108, 8, "uid"),
    gid: number(block, 116, 8, "gid"),
    size: number(block, 124, 12, "size"),
    mtime: number(block, 136, 12, "mtime"),
    major: hasDevice(block) ? number(block, 329, 8, "device major") : 0,
    minor: hasDevice(block) ? number(block, 337, 8, "device minor") : 0,
  };
}

export function isZeroBlock(block: Uint8Array): boolean {
  for (let i = 0; i < 512; i++) if (block[i] !== 0) return false;
  return true;
}

/**
 * A number field: octal text ended by NUL or space, or (first bit set) a big-endian two's complement number of the
 * remaining bits, as GNU tar and star write what does not fit.
 */
export function number(block: Uint8Array, offset: number, length: number, what: string): number {
  if (block[offset] & 0x80) return binaryNumber(block, offset, length, what);
  let at = offset;
  const end = offset + length;
  while (at < end && (block[at] === SPACE || block[at] === NUL)) at++;
  let value = 0;
  for (; at < end; at++) {
    const digit = block[at];
    if (digit === NUL || digit === SPACE) break;
    if (digit < ZERO || digit > SEVEN) throw new Error(`tar header: the ${what} is not an octal number`);
    value = value * 8 + digit - ZERO;
  }
  return value;
}

function binaryNumber(block: Uint8Array, offset: number, length: number, what: string): number {
  let value = BigInt(block[offset] & 0x7f);
  for (let i = 1; i < length; i++) value = (value << 8n) | BigInt(block[offset + i]);
  const result = Number(BigInt.asIntN(length * 8 - 1, value));
  if (!Number.isSafeInteger(result)) throw new Error(`tar header: the ${what} is out of range`);
  return result;
}

/** Old writers summed signed bytes, so both sums are right. */
function checkSum(block: Uint8Array): void {
  let unsigned = 8 * SPACE;
  let signed = 8 * SPACE;
  for (let i = 0; i < 512; i++) {
    if (i === 148) i = 156;
    unsigned += block[i];
    signed += (block[i] << 24) >> 24;
  }
  const stored = number(block, 148, 8, "checksum");
  if (stored !== unsigned && stored !== signed) throw new Error("tar header: wrong checksum");
}

function text(block: Uint8Array, offset: number, length: number): ByteString {
  let end = offset;
  while (end < offset + length && block[end] !== NUL) end++;
  return byteString(block.subarray(offset, end));
}

function isUstar(block: Uint8Array): boolean {
  return text(block, 257, 6) === "ustar";
}

function hasDevice(block: Uint8Array): boolean {
  return text(block, 257, 5) === "ustar";
}

function fullName(block: Uint8Array): ByteString {
  const name = text(block, 0, 100);
  // GNU's magic ends in spaces and uses the prefix field for other things; star keeps times in its last bytes.
  if (!isUstar(block)) return name;
  const isStar = text(block, 508, 4) === "tar";
  const prefix = text(block, 345, isStar ? 131 : 155);
  return prefix === "" ? name : `${prefix}/${name}`;
}
