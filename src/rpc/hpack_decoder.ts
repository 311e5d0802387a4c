import { decodeHuffman } from "./huffman.ts";
import { HeaderField, HeaderTable } from "./hpack_table.ts";

/** SETTINGS_HEADER_TABLE_SIZE: we leave it at its default, so no peer may use more. */
const TABLE_SIZE = 4096;

const latin1 = new TextDecoder("latin1");

export interface HeaderList {
  fields: HeaderField[];
  /** The list is larger than the limit; `fields` holds only its beginning. */
  tooLarge: boolean;
}

/**
 * Decodes the header blocks of one connection, in order (RFC 7541).
 *
 * A block may say "entry 62" sixty thousand times and so name hundreds of megabytes; entries are shared, not copied, and
 * the list stops growing at the limit. The rest is still decoded because the table must follow.
 */
export class HpackDecoder {
  #table = new HeaderTable(TABLE_SIZE);
  #bytes: Uint8Array = new Uint8Array();
  #at = 0;

  constructor(readonly maxListSize: number) {}

  get tableSize(): number {
    return this.#table.size;
  }

  /** @throws {Error} on a malformed block; the connection cannot go on after that. */
  decode(block: Uint8Array): HeaderList {
    this.#bytes = block;
    this.#at = 0;
    const list: HeaderList = { fields: [], tooLarge: false };
    let size = 0;
    let sawField = false;
    while (this.#at < block.length) {
      const first = block[this.#at];
      if ((first & 0xe0) === 0x20) {
        if (sawField) throw new Error("table size update after a field");
        const limit = this.#integer(5);
        if (limit > TABLE_SIZE) throw new Error(`table size ${limit} is over ${TABLE_SIZE}`);
        this.#table.resize(limit);
        continue;
      }
      sawField = true;
      const field = this.#field(first);
      size += field.size;
      if (size > this.maxListSize) list.tooLarge = true;
      else list.fields.push(field);
    }
    this.#bytes = new Uint8Array();
    return list;
  }

  #field(first: number): HeaderField {
    if (first & 0x80) return this.#table.at(this.#integer(7));
    const indexed = (first & 0x40) !== 0;
    const nameIndex = this.#integer(indexed ? 6 : 4);
    const name = nameIndex === 0 ? this.#string() : this.#table.at(nameIndex).name;
    const field = new HeaderField(name, this.#string());
    if (indexed) this.#table.add(field);
    return field;
  }

  /** RFC 7541, 5.1; nothing in HPACK needs more than 28 bits, so longer ones are refused. */
  #integer(prefixBits: number): number {
    const mask = (1 << prefixBits) - 1;
    let value = this.#bytes[this.#at++] & mask;
    if (value < mask) return value;
    for (let shift = 0; shift <= 21; shift += 7) {
      if (this.#at >= this.#bytes.length) throw new Error("header block ends inside an integer");
      const byte = this.#bytes[this.#at++];
      value += (byte & 0x7f) << shift;
      if ((byte & 0x80) === 0) return value;
    }
    throw new Error("integer in a header block is too long");
  }

  #string(): string {
    if (this.#at >= this.#bytes.length) throw new Error("header block ends before a string");
    const huffman = (this.#bytes[this.#at] & 0x80) !== 0;
    const length = this.#integer(7);
    const start = this.#at;
    const end = start + length;
    if (end > this.#bytes.length) throw new Error("header block ends inside a string");
    this.#at = end;
    return huffman ? decodeHuffman(this.#bytes, start, end) : latin1.decode(this.#bytes.subarray(start, end));
  }
}
