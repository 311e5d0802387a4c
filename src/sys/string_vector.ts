import { addressable, addressableCString, addressOf } from "./libc_symbols.ts";

/** A NULL-ended array of C strings, which lives as long as this object is referred to. */
export class StringVector {
  readonly strings: Uint8Array<ArrayBuffer>[];
  readonly pointers: Uint8Array<ArrayBuffer>;

  constructor(texts: string[]) {
    this.strings = texts.map(addressableCString);
    this.pointers = addressable((texts.length + 1) * 8);
    const view = new BigUint64Array(this.pointers.buffer);
    for (const [index, string] of this.strings.entries()) view[index] = addressOf(string);
  }
}
