import { LIMITS } from "../limits.ts";
import { DICTIONARY } from "./dictionary.ts";
import { Inflate } from "./inflate.ts";
import { SpdyError } from "./error.ts";

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Reads the header blocks of one direction of a connection: they share one compression context, so none may be skipped. */
export class HeaderBlockReader {
  readonly #inflate = new Inflate(DICTIONARY);

  /** Names in lower case. SpdyError for anything malformed or over a limit. */
  read(compressed: Uint8Array): Map<string, string> {
    let block: Uint8Array;
    try {
      block = this.#inflate.push(compressed, LIMITS.headerBlockBytes);
    } catch (error) {
      throw new SpdyError(`a header block cannot be inflated: ${(error as Error).message}`);
    }
    return parsePairs(block);
  }
}

function parsePairs(block: Uint8Array): Map<string, string> {
  const view = new DataView(block.buffer, block.byteOffset, block.length);
  let offset = 0;
  const number = () => {
    if (offset + 4 > block.length) throw new SpdyError("a header block ends too early");
    const value = view.getUint32(offset);
    offset += 4;
    return value;
  };
  const text = () => {
    const length = number();
    if (length > block.length - offset) throw new SpdyError("a header block ends too early");
    const value = decoder.decode(block.subarray(offset, offset + length));
    offset += length;
    return value;
  };
  const headers = new Map<string, string>();
  const count = number();
  if (count > LIMITS.headerPairs) throw new SpdyError(`${count} headers; at most ${LIMITS.headerPairs} are taken`);
  for (let i = 0; i < count; i++) {
    const name = text().toLowerCase();
    if (headers.has(name)) throw new SpdyError("a header name comes twice in a block");
    headers.set(name, text());
  }
  return headers;
}

/** Writes header blocks into stored deflate blocks: the replies are tiny, so no compressor is needed. */
export class HeaderBlockWriter {
  #begun = false;

  write(headers: [name: string, value: string][]): Uint8Array {
    const texts = headers.flat().map((text) => encoder.encode(text));
    const length = texts.reduce((sum, text) => sum + 4 + text.length, 4);
    const start = this.#begun ? 0 : 2;
    const block = new Uint8Array(start + 5 + length + 5);
    const view = new DataView(block.buffer);
    if (!this.#begun) block.set([0x78, 0x01]);
    this.#begun = true;
    view.setUint16(start + 1, length, true);
    view.setUint16(start + 3, ~length & 0xffff, true);
    view.setUint32(start + 5, headers.length);
    let offset = start + 9;
    for (const text of texts) {
      view.setUint32(offset, text.length);
      block.set(text, offset + 4);
      offset += 4 + text.length;
    }
    // An empty stored block is the flush mark. Go's reader needs it: without it the second block ends the connection.
    block.set([0, 0, 0, 0xff, 0xff], offset);
    return block;
  }
}
