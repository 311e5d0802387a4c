import { type ByteString, byteString, type EntryKind, type SparseMap, type TarEntry } from "./entry.ts";
import { isZeroBlock, parseHeader, type RawHeader } from "./header.ts";
import { parsePax, type PaxFields } from "./pax.ts";
import { BodyMapReader, checkSparse, extendOldGnuMap, sparseFromOldGnuHeader } from "./sparse.ts";

const BLOCK = 512;
/** Largest extension header (PAX records, long names); 1 MiB is what common writers and readers agree on. */
const MAX_EXTENSION = 1 << 20;
/** 2^32 - 1 is "no change" to chown(2), so it is no ID. */
const MAX_ID = 0xfffffffe;

const TYPE_PAX = 0x78; // x
const TYPE_PAX_GLOBAL = 0x67; // g
const TYPE_GNU_LONG_NAME = 0x4c; // L
const TYPE_GNU_LONG_LINK = 0x4b; // K
const TYPE_GNU_SPARSE = 0x53; // S
const TYPE_OLD_FILE = 0;

const KINDS = new Map<number, EntryKind>([
  [TYPE_OLD_FILE, "file"],
  [0x30, "file"],
  [0x31, "hardlink"],
  [0x32, "symlink"],
  [0x33, "char"],
  [0x34, "block"],
  [0x35, "directory"],
  [0x36, "fifo"],
  [0x37, "file"], // contiguous file
  [TYPE_GNU_SPARSE, "file"],
]);

/** Reads a tar as it comes in, in pieces of any size, and reports each member. Bodies are skipped, not copied. */
export class TarReader {
  #report: (entry: TarEntry) => void;
  /** Bytes seen so far. */
  #position = 0;
  #skip = 0;
  #unit = new Uint8Array(BLOCK);
  #filled = 0;
  #need = BLOCK;
  #onUnit: (unit: Uint8Array) => void = (block) => this.#header(block);
  #ended = false;
  #pax: PaxFields | undefined;
  #globalPax: PaxFields = { xattrs: [] };
  #longName: ByteString | undefined;
  #longLink: ByteString | undefined;

  constructor(report: (entry: TarEntry) => void) {
    this.#report = report;
  }

  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      const left = chunk.length - at;
      if (this.#skip > 0) {
        const count = Math.min(this.#skip, left);
        this.#skip -= count;
        this.#position += count;
        at += count;
      } else if (this.#ended) {
        this.#position += left;
        return;
      } else if (this.#filled === 0 && left >= this.#need) {
        at += this.#need;
        this.#dispatch(chunk.subarray(at - this.#need, at));
      } else {
        const count = Math.min(this.#need - this.#filled, left);
        this.#unit.set(chunk.subarray(at, at + count), this.#filled);
        this.#filled += count;
        at += count;
        if (this.#filled === this.#need) this.#dispatch(this.#unit.subarray(0, this.#need));
      }
    }
  }

  /** @throws when the tar ends inside a member. */
  end(): void {
    const inMember = this.#skip > 0 || this.#filled > 0 || this.#need !== BLOCK || this.#pax !== undefined ||
      this.#longName !== undefined || this.#longLink !== undefined;
    if (!this.#ended && inMember) throw new Error("the tar ends in the middle of an entry");
  }

  #dispatch(unit: Uint8Array): void {
    this.#position += this.#need;
    this.#filled = 0;
    const handle = this.#onUnit;
    this.#expect(BLOCK, (block) => this.#header(block));
    handle(unit);
  }

  #expect(length: number, handle: (unit: Uint8Array) => void): void {
    this.#need = length;
    this.#onUnit = handle;
    if (this.#unit.length < length) this.#unit = new Uint8Array(length);
  }

  #header(block: Uint8Array): void {
    if (isZeroBlock(block)) {
      // The format asks for two; one is enough for every reader.
      this.#ended = true;
      return;
    }
    const header = parseHeader(block);
    switch (header.type) {
      case TYPE_PAX:
        return this.#extension(header, (bytes) => this.#pax = parsePax(bytes));
      case TYPE_PAX_GLOBAL:
        return this.#extension(header, (bytes) => this.#addGlobals(parsePax(bytes)));
      case TYPE_GNU_LONG_NAME:
        return this.#extension(header, (bytes) => this.#longName = untilNul(bytes));
      case TYPE_GNU_LONG_LINK:
        return this.#extension(header, (bytes) => this.#longLink = untilNul(bytes));
      case TYPE_GNU_SPARSE: {
        const { map, extended } = sparseFromOldGnuHeader(block);
        return this.#oldGnuSparse(header, map, extended);
      }
    }
    const pax = this.#pax;
    if (pax?.sparse?.mapInBody) this.#bodyMap(header, pax.sparse.realSize ?? 0, new BodyMapReader());
    else if (pax?.sparse) this.#member(header, { realSize: pax.sparse.realSize ?? 0, segments: pax.sparse.segments });
    else this.#member(header);
  }

  #extension(header: RawHeader, handle: (bytes: Uint8Array) => void): void {
    if (header.size < 0 || header.size > MAX_EXTENSION) {
      throw new Error(`tar: an extension header of ${header.size} bytes is over the limit of ${MAX_EXTENSION}`);
    }
    if (header.size === 0) handle(new Uint8Array(0));
    else this.#expect(padded(header.size), (bytes) => handle(bytes.subarray(0, header.size)));
  }

  #addGlobals(pax: PaxFields): void {
    // A path, link or size for all members alike makes no sense, so only the rest is taken over.
    const { uid = this.#globalPax.uid, gid = this.#globalPax.gid, mtime = this.#globalPax.mtime } = pax;
    this.#globalPax = { uid, gid, mtime, xattrs: [] };
  }

  #oldGnuSparse(header: RawHeader, map: SparseMap, extended: boolean): void {
    if (!extended) return this.#member(header, map);
    this.#expect(BLOCK, (block) => this.#oldGnuSparse(header, map, extendOldGnuMap(block, map).extended));
  }

  #bodyMap(header: RawHeader, realSize: number, reader: BodyMapReader): void {
    this.#expect(BLOCK, (block) => {
      const segments = reader.add(block);
      if (segments === undefined) return this.#bodyMap(header, realSize, reader);
      this.#member(header, { realSize, segments }, reader.consumed);
    });
  }

  #member(header: RawHeader, sparse?: SparseMap, bodyRead = 0): void {
    const pax = this.#pax;
    const path = pax?.sparse?.name ?? pax?.path ?? this.#longName ?? header.name;
    const link = pax?.link ?? this.#longLink ?? header.link;
    this.#pax = this.#longName = this.#longLink = undefined;

    let kind = KINDS.get(header.type);
    if (kind === undefined) {
      throw new Error(`tar: entry type ${JSON.stringify(String.fromCharCode(header.type))} is not supported`);
    }
    if (header.type === TYPE_OLD_FILE && path.endsWith("/")) kind = "directory";
    // Sizes of other kinds are meaningless: no body follows.
    const stored = kind === "file" ? (pax?.size ?? header.size) - bodyRead : 0;
    if (!Number.isSafeInteger(stored) || stored < 0) throw new Error("tar: the size of an entry is out of range");
    const mtime = pax?.mtime ?? this.#globalPax.mtime;
    const entry: TarEntry = {
      kind,
      path,
      link,
      mode: header.mode,
      uid: id(pax?.uid ?? this.#globalPax.uid ?? header.uid),
      gid: id(pax?.gid ?? this.#globalPax.gid ?? header.gid),
      mtimeSeconds: mtime?.seconds ?? header.mtime,
      mtimeNanoseconds: mtime?.nanoseconds ?? 0,
      size: stored,
      dataOffset: this.#position,
      major: header.major,
      minor: header.minor,
      xattrs: pax?.xattrs ?? [],
    };
    if (sparse && kind === "file") entry.sparse = checkSparse(sparse, stored);
    this.#skip = padded(stored);
    this.#report(entry);
  }
}

function padded(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK;
}

function untilNul(bytes: Uint8Array): ByteString {
  const end = bytes.indexOf(0);
  return byteString(end < 0 ? bytes : bytes.subarray(0, end));
}

function id(value: number): number {
  if (value < 0 || value > MAX_ID) throw new Error(`tar: user or group ID ${value} is out of range`);
  return value;
}
