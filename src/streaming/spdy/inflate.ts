/** Compressed bytes that do not follow RFC 1950/1951, or inflate to more than was allowed. */
export class InflateError extends Error {}

const WINDOW = 32 << 10;
const LENGTH_BASE = [
  ...[
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    11,
    13,
    15,
    17,
    19,
    23,
    27,
    31,
    35,
    43,
    51,
    59,
    67,
    83,
    99,
    115,
    131,
    163,
    195,
    227,
    258,
  ],
];
const LENGTH_EXTRA = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const DISTANCE_BASE = [
  ...[1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097],
  ...[6145, 8193, 12289, 16385, 24577],
];
const DISTANCE_EXTRA = [
  0,
  0,
  0,
  0,
  1,
  1,
  2,
  2,
  3,
  3,
  4,
  4,
  5,
  5,
  6,
  6,
  7,
  7,
  8,
  8,
  9,
  9,
  10,
  10,
  11,
  11,
  12,
  12,
  13,
  13,
];
const CODE_LENGTH_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const END_OF_BLOCK = 256;
const MAX_CODE_BITS = 15;

/** A canonical Huffman code: how many codes there are of each length, and the symbols in the order of their codes. */
interface Code {
  counts: Uint16Array;
  symbols: Uint16Array;
}

function codeOf(lengths: ArrayLike<number>): Code {
  const counts = new Uint16Array(MAX_CODE_BITS + 1);
  for (let i = 0; i < lengths.length; i++) counts[lengths[i]]++;
  counts[0] = 0;
  const offsets = new Uint16Array(MAX_CODE_BITS + 2);
  let left = 1;
  for (let bits = 1; bits <= MAX_CODE_BITS; bits++) {
    left = left * 2 - counts[bits];
    if (left < 0) throw new InflateError("a Huffman code has more symbols than fit");
    offsets[bits + 1] = offsets[bits] + counts[bits];
  }
  const symbols = new Uint16Array(lengths.length);
  for (let symbol = 0; symbol < lengths.length; symbol++) {
    if (lengths[symbol] !== 0) symbols[offsets[lengths[symbol]]++] = symbol;
  }
  return { counts, symbols };
}

const filled = (...runs: [count: number, value: number][]) =>
  runs.flatMap(([count, value]) => Array(count).fill(value));
const FIXED_LITERALS = codeOf(filled([144, 8], [112, 9], [24, 7], [8, 8]));
const FIXED_DISTANCES = codeOf(filled([30, 5]));

/** Reads bits from the lowest of each byte up. */
class BitReader {
  #offset = 0;
  #bits = 0;
  #count = 0;

  constructor(private readonly bytes: Uint8Array) {}

  get atEnd(): boolean {
    return this.#offset >= this.bytes.length;
  }

  bits(count: number): number {
    while (this.#count < count) {
      this.#bits |= this.byte() << this.#count;
      this.#count += 8;
    }
    const value = this.#bits & ((1 << count) - 1);
    this.#bits >>>= count;
    this.#count -= count;
    return value;
  }

  byte(): number {
    if (this.atEnd) throw new InflateError("compressed bytes end too early");
    return this.bytes[this.#offset++];
  }

  dropPartialByte(): void {
    this.#bits = 0;
    this.#count = 0;
  }

  symbol({ counts, symbols }: Code): number {
    let code = 0;
    let first = 0;
    let index = 0;
    for (let length = 1; length <= MAX_CODE_BITS; length++) {
      code |= this.bits(1);
      const count = counts[length];
      if (code - count < first) return symbols[index + code - first];
      index += count;
      first = (first + count) << 1;
      code <<= 1;
    }
    throw new InflateError("a bit sequence is no Huffman code");
  }
}

/**
 * Inflates one zlib stream that comes in pieces, each flushed to a byte boundary, as SPDY sends header blocks. It is
 * synchronous, so that frames stay in order (`node:zlib` answers through callbacks).
 */
export class Inflate {
  readonly #window = new Uint8Array(WINDOW);
  /** Bytes that have ever gone into the window. */
  #total = 0;
  #begun = false;
  #ended = false;

  constructor(private readonly dictionary: Uint8Array) {}

  /** Inflates one piece; more than `limit` bytes of output is an InflateError, after which nothing more can be had. */
  push(bytes: Uint8Array, limit: number): Uint8Array {
    const input = new BitReader(bytes);
    if (!this.#begun) this.#begin(input);
    const output = new Output(limit, (byte) => this.#window[this.#total++ % WINDOW] = byte);
    while (!input.atEnd) {
      if (this.#ended) throw new InflateError("bytes follow the end of the compressed stream");
      this.#ended = input.bits(1) === 1;
      const type = input.bits(2);
      if (type === 0) this.#stored(input, output);
      else if (type === 1) this.#compressed(input, output, FIXED_LITERALS, FIXED_DISTANCES);
      else if (type === 2) this.#dynamic(input, output);
      else throw new InflateError("a block is of no known type");
    }
    return output.bytes();
  }

  #begin(input: BitReader): void {
    const method = input.byte();
    const flags = input.byte();
    if ((method & 15) !== 8 || ((method << 8) | flags) % 31 !== 0) throw new InflateError("not a zlib stream");
    if ((flags & 32) !== 0) {
      for (let i = 0; i < 4; i++) input.byte();
      for (const byte of this.dictionary) this.#window[this.#total++ % WINDOW] = byte;
    }
    this.#begun = true;
  }

  #stored(input: BitReader, output: Output): void {
    input.dropPartialByte();
    const length = input.byte() | (input.byte() << 8);
    const check = input.byte() | (input.byte() << 8);
    if ((length ^ check) !== 0xffff) throw new InflateError("the length of a stored block contradicts itself");
    for (let i = 0; i < length; i++) output.put(input.byte());
  }

  #dynamic(input: BitReader, output: Output): void {
    const literals = input.bits(5) + 257;
    const distances = input.bits(5) + 1;
    const codes = input.bits(4) + 4;
    if (literals > 286 || distances > 30) throw new InflateError("a block has more codes than there are symbols");
    const codeLengths = new Uint8Array(19);
    for (let i = 0; i < codes; i++) codeLengths[CODE_LENGTH_ORDER[i]] = input.bits(3);
    const code = codeOf(codeLengths);
    const lengths: number[] = [];
    while (lengths.length < literals + distances) {
      const symbol = input.symbol(code);
      if (symbol < 16) {
        lengths.push(symbol);
        continue;
      }
      if (symbol === 16 && lengths.length === 0) throw new InflateError("a code length repeats nothing");
      const value = symbol === 16 ? lengths[lengths.length - 1] : 0;
      const repeat = symbol === 16 ? 3 + input.bits(2) : symbol === 17 ? 3 + input.bits(3) : 11 + input.bits(7);
      for (let i = 0; i < repeat; i++) lengths.push(value);
    }
    if (lengths.length > literals + distances) throw new InflateError("code lengths run over their end");
    this.#compressed(input, output, codeOf(lengths.slice(0, literals)), codeOf(lengths.slice(literals)));
  }

  #compressed(input: BitReader, output: Output, literals: Code, distances: Code): void {
    for (;;) {
      const symbol = input.symbol(literals);
      if (symbol < END_OF_BLOCK) {
        output.put(symbol);
        continue;
      }
      if (symbol === END_OF_BLOCK) return;
      const which = symbol - 257;
      if (which >= LENGTH_BASE.length) throw new InflateError("a length is of no known code");
      const length = LENGTH_BASE[which] + input.bits(LENGTH_EXTRA[which]);
      const far = input.symbol(distances);
      if (far >= DISTANCE_BASE.length) throw new InflateError("a distance is of no known code");
      const distance = DISTANCE_BASE[far] + input.bits(DISTANCE_EXTRA[far]);
      if (distance > this.#total) throw new InflateError("a distance points before the beginning");
      for (let i = 0; i < length; i++) output.put(this.#window[(this.#total - distance) % WINDOW]);
    }
  }
}

/** Grows as it is filled, up to the limit. */
class Output {
  #bytes = new Uint8Array(1024);
  #length = 0;

  constructor(private readonly limit: number, private readonly remember: (byte: number) => void) {}

  put(byte: number): void {
    if (this.#length >= this.limit) throw new InflateError(`inflates to more than ${this.limit} bytes`);
    if (this.#length === this.#bytes.length) {
      const larger = new Uint8Array(this.#length * 2);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes[this.#length++] = byte;
    this.remember(byte);
  }

  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
}
