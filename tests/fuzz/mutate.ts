/** Makes an input out of others: a few small and large changes, each likely to be what a parser did not think of. */
import { concat } from "../support/bytes.ts";
import type { Random } from "./random.ts";

const MOST_CHANGES = 6;
const MOST_BYTES = 64 << 10;
const ODD_BYTES = [0, 1, 0x0a, 0x20, 0x22, 0x2d, 0x30, 0x37, 0x39, 0x5c, 0x7f, 0x80, 0xc3, 0xe2, 0xed, 0xff];
const ODD_TEXTS = [
  "-1",
  "0",
  "9007199254740993",
  "1e309",
  "4294967295",
  "\u0000",
  "null",
  "{}",
  "[]",
  '""',
  "../",
  "\r\n",
];

export function mutate(random: Random, corpus: readonly Uint8Array[], dictionary: readonly string[]): Uint8Array {
  let bytes: Uint8Array = random.pick(corpus).slice();
  for (let left = 1 + random.below(MOST_CHANGES); left > 0; left--) bytes = change(random, bytes, corpus, dictionary);
  return bytes.length > MOST_BYTES ? bytes.subarray(0, MOST_BYTES) : bytes;
}

function change(
  random: Random,
  bytes: Uint8Array,
  corpus: readonly Uint8Array[],
  dictionary: readonly string[],
): Uint8Array {
  const at = random.below(bytes.length + 1);
  const length = 1 + random.below(random.below(4) === 0 ? 600 : 8);
  const end = Math.min(bytes.length, at + length);
  switch (random.below(9)) {
    case 0:
      if (at < bytes.length) bytes[at] ^= 1 << random.below(8);
      return bytes;
    case 1:
      if (at < bytes.length) bytes[at] = random.pick(ODD_BYTES);
      return bytes;
    case 2:
      for (let i = at; i < end; i++) bytes[i] = random.below(256);
      return bytes;
    case 3: // A part goes.
      return concat(bytes.subarray(0, at), bytes.subarray(end));
    case 4: // A part comes twice, or many times.
      return concat(
        bytes.subarray(0, end),
        ...Array(1 + random.below(4)).fill(bytes.subarray(at, end)),
        bytes.subarray(end),
      );
    case 5: { // A part of another one comes in.
      const other = random.pick(corpus);
      const from = random.below(other.length + 1);
      return concat(bytes.subarray(0, at), other.subarray(from, from + length), bytes.subarray(end));
    }
    case 6:
      return concat(
        bytes.subarray(0, at),
        text(random.pick(ODD_TEXTS)),
        bytes.subarray(random.below(2) === 0 ? at : end),
      );
    case 7:
      if (dictionary.length === 0) return bytes.subarray(0, at);
      return concat(
        bytes.subarray(0, at),
        text(random.pick(dictionary)),
        bytes.subarray(random.below(2) === 0 ? at : end),
      );
    default: // A run of the same byte.
      return concat(bytes.subarray(0, at), new Uint8Array(length).fill(random.pick(ODD_BYTES)), bytes.subarray(at));
  }
}

const text = (value: string) => new TextEncoder().encode(value);
