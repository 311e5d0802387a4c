/** An element of DER: https://www.itu.int/rec/T-REC-X.690 */
export interface Der {
  /** As it stands in the first byte. */
  tag: number;
  /** With tag and length. */
  raw: Uint8Array;
  content: Uint8Array;
}

export const BOOLEAN = 0x01;
export const INTEGER = 0x02;
export const BIT_STRING = 0x03;
export const OCTET_STRING = 0x04;
export const OBJECT_IDENTIFIER = 0x06;
export const UTF8_STRING = 0x0c;
export const SEQUENCE = 0x30;
export const SET = 0x31;
export const UTC_TIME = 0x17;
export const GENERALIZED_TIME = 0x18;

/** The one element that these bytes are. @throws for anything else, and for lengths that DER does not allow. */
export function readDer(bytes: Uint8Array, tag?: number): Der {
  const [element, ...more] = readAll(bytes);
  if (!element || more.length > 0) throw new Error("it is not one element of DER");
  return expect(element, tag);
}

/** What is in a constructed element. */
export function children({ content }: Der): Der[] {
  return readAll(content);
}

export function expect(element: Der | undefined, tag?: number): Der {
  if (!element || tag !== undefined && element.tag !== tag) {
    throw new Error("it has not the elements that it should have");
  }
  return element;
}

/** In dotted form. */
export function objectIdentifier(element: Der | undefined): string {
  const { content } = expect(element, OBJECT_IDENTIFIER);
  const numbers: number[] = [];
  let value = 0;
  for (const byte of content) {
    value = value * 128 + (byte & 0x7f);
    if (!Number.isSafeInteger(value)) throw new Error("an object identifier is too large");
    if ((byte & 0x80) !== 0) continue;
    numbers.push(value);
    value = 0;
  }
  const [first = 0, ...rest] = numbers;
  const top = Math.min(2, Math.floor(first / 40));
  return [top, first - 40 * top, ...rest].join(".");
}

/** Milliseconds since the epoch; UTC only, with seconds, as RFC 5280, 4.1.2.5, wants it. */
export function time({ tag, content }: Der): number {
  const text = String.fromCharCode(...content);
  const digits = tag === UTC_TIME
    ? /^(\d{2})(\d{10})Z$/.exec(text)
    : tag === GENERALIZED_TIME
    ? /^(\d{4})(\d{10})Z$/.exec(text)
    : null;
  if (!digits) throw new Error("a time in it cannot be read");
  const year = tag === UTC_TIME ? Number(digits[1]) + (Number(digits[1]) < 50 ? 2000 : 1900) : Number(digits[1]);
  const [month, day, hour, minute, second] = digits[2].match(/\d\d/g)!.map(Number);
  const milliseconds = Date.UTC(year, month - 1, day, hour, minute, second);
  const date = new Date(milliseconds);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day || hour > 23 || minute > 59 || second > 59) {
    throw new Error("a time in it is none");
  }
  return milliseconds;
}

function readAll(bytes: Uint8Array): Der[] {
  const elements: Der[] = [];
  for (let at = 0; at < bytes.length;) {
    const start = at;
    const tag = bytes[at++];
    if ((tag & 0x1f) === 0x1f) throw new Error("it has tags of more than one byte");
    let length = bytes[at++];
    if (length >= 0x80) {
      const count = length & 0x7f;
      if (count === 0 || count > 4 || at + count > bytes.length) {
        throw new Error("it has a length that DER does not allow");
      }
      length = bytes.subarray(at, at + count).reduce((value, byte) => value * 256 + byte, 0);
      if (length < 0x80 || bytes[at] === 0) throw new Error("it has a length that DER does not allow");
      at += count;
    }
    if (!(at + length <= bytes.length)) throw new Error("it ends too early");
    elements.push({ tag, raw: bytes.subarray(start, at + length), content: bytes.subarray(at, at + length) });
    at += length;
  }
  return elements;
}
