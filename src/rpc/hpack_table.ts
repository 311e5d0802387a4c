/** The static and the dynamic table of HPACK (RFC 7541, 2.3). */

/** RFC 7541, appendix A: index 1 comes first. */
const STATIC_ENTRIES: [string, string][] = [
  [":authority", ""],
  [":method", "GET"],
  [":method", "POST"],
  [":path", "/"],
  [":path", "/index.html"],
  [":scheme", "http"],
  [":scheme", "https"],
  [":status", "200"],
  [":status", "204"],
  [":status", "206"],
  [":status", "304"],
  [":status", "400"],
  [":status", "404"],
  [":status", "500"],
  ["accept-charset", ""],
  ["accept-encoding", "gzip, deflate"],
  ["accept-language", ""],
  ["accept-ranges", ""],
  ["accept", ""],
  ["access-control-allow-origin", ""],
  ["age", ""],
  ["allow", ""],
  ["authorization", ""],
  ["cache-control", ""],
  ["content-disposition", ""],
  ["content-encoding", ""],
  ["content-language", ""],
  ["content-length", ""],
  ["content-location", ""],
  ["content-range", ""],
  ["content-type", ""],
  ["cookie", ""],
  ["date", ""],
  ["etag", ""],
  ["expect", ""],
  ["expires", ""],
  ["from", ""],
  ["host", ""],
  ["if-match", ""],
  ["if-modified-since", ""],
  ["if-none-match", ""],
  ["if-range", ""],
  ["if-unmodified-since", ""],
  ["last-modified", ""],
  ["link", ""],
  ["location", ""],
  ["max-forwards", ""],
  ["proxy-authenticate", ""],
  ["proxy-authorization", ""],
  ["range", ""],
  ["referer", ""],
  ["refresh", ""],
  ["retry-after", ""],
  ["server", ""],
  ["set-cookie", ""],
  ["strict-transport-security", ""],
  ["transfer-encoding", ""],
  ["user-agent", ""],
  ["vary", ""],
  ["via", ""],
  ["www-authenticate", ""],
];

/** Names are tokens without upper case, values have no control characters or outer blanks (RFC 9113, 8.2.1). */
const NAME = /^:?[!#$%&'*+\-.^_`|~0-9a-z]+$/;
// deno-lint-ignore no-control-regex
const BAD_VALUE = /[\x00\r\n]|^[ \t]|[ \t]$/;

/** A header field; entries of the tables are shared between requests, so what is checked once stays checked. */
export class HeaderField {
  /** What the tables and the header list count for it (RFC 7541, 4.1). */
  readonly size: number;
  readonly valid: boolean;

  constructor(readonly name: string, readonly value: string) {
    this.size = name.length + value.length + 32;
    this.valid = NAME.test(name) && !BAD_VALUE.test(value);
  }
}

const STATIC_TABLE = STATIC_ENTRIES.map(([name, value]) => new HeaderField(name, value));

const STATIC_NAMES = new Map<string, number>();
const STATIC_FIELDS = new Map<string, number>();
STATIC_ENTRIES.forEach(([name, value], at) => {
  if (!STATIC_NAMES.has(name)) STATIC_NAMES.set(name, at + 1);
  STATIC_FIELDS.set(`${name}\n${value}`, at + 1);
});

/** The index of the name, or 0. */
export const staticNameIndex = (name: string): number => STATIC_NAMES.get(name) ?? 0;
/** The index of the whole field, or 0. */
export const staticFieldIndex = (name: string, value: string): number => STATIC_FIELDS.get(`${name}\n${value}`) ?? 0;

/** The index space of one decoder: 1 to 61 are static, what follows is dynamic with the newest first. */
export class HeaderTable {
  /** Oldest first; what lies before #first has been evicted. */
  #entries: HeaderField[] = [];
  #first = 0;
  #size = 0;
  #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#size;
  }

  get length(): number {
    return this.#entries.length - this.#first;
  }

  /** @throws {Error} when there is no such entry. */
  at(index: number): HeaderField {
    const field = index <= STATIC_TABLE.length
      ? STATIC_TABLE[index - 1]
      : index - STATIC_TABLE.length <= this.length
      ? this.#entries[this.#entries.length - (index - STATIC_TABLE.length)]
      : undefined;
    if (field === undefined) throw new Error(`no header table entry ${index}`);
    return field;
  }

  /** An entry larger than the table empties it and is not kept (RFC 7541, 4.4). */
  add(field: HeaderField): void {
    this.#evict(this.#limit - field.size);
    if (field.size > this.#limit) return;
    this.#entries.push(field);
    this.#size += field.size;
  }

  resize(limit: number): void {
    this.#limit = limit;
    this.#evict(limit);
  }

  #evict(limit: number): void {
    while (this.#size > limit && this.#first < this.#entries.length) this.#size -= this.#entries[this.#first++].size;
    if (this.#first > 64) {
      this.#entries = this.#entries.slice(this.#first);
      this.#first = 0;
    }
  }
}
