import type { SparseMap } from "./entry.ts";
import { number } from "./header.ts";
import { decimal, type PaxSparse } from "./pax.ts";

/** Segments of one file; more is an attack, not a file (CVE-2025-58183). */
const MAX_SEGMENTS = 100_000;

const OLD_GNU_REAL_SIZE = 483;
const OLD_GNU_IS_EXTENDED = 482;
const OLD_GNU_FIRST = { offset: 386, entries: 4 };
const OLD_GNU_EXTENSION = { offset: 0, entries: 21, isExtended: 504 };

/** The map of a type S header; `extended` says that a block with more of it follows. */
export function sparseFromOldGnuHeader(block: Uint8Array): { map: SparseMap; extended: boolean } {
  const map: SparseMap = { realSize: number(block, OLD_GNU_REAL_SIZE, 12, "real size"), segments: [] };
  addOldGnuEntries(block, OLD_GNU_FIRST.offset, OLD_GNU_FIRST.entries, map);
  return { map, extended: block[OLD_GNU_IS_EXTENDED] !== 0 };
}

export function extendOldGnuMap(block: Uint8Array, map: SparseMap): { extended: boolean } {
  addOldGnuEntries(block, OLD_GNU_EXTENSION.offset, OLD_GNU_EXTENSION.entries, map);
  return { extended: block[OLD_GNU_EXTENSION.isExtended] !== 0 };
}

function addOldGnuEntries(block: Uint8Array, offset: number, entries: number, map: SparseMap): void {
  for (let i = 0; i < entries; i++) {
    const at = offset + i * 24;
    if (block[at] === 0) return;
    addSegment(map.segments, number(block, at, 12, "sparse offset"), number(block, at + 12, 12, "sparse length"));
  }
}

/** GNU.sparse.* records: 0.0 repeats offset and numbytes, 0.1 has one map, 1.0 keeps the map in the body. */
export function sparseFromPax(records: [string, string][]): PaxSparse {
  const sparse: PaxSparse = { segments: [], mapInBody: false };
  let offset = 0;
  for (const [key, value] of records) {
    if (key === "name") sparse.name = value;
    else if (key === "size" || key === "realsize") sparse.realSize = decimal(value, "sparse size");
    else if (key === "major") sparse.mapInBody = decimal(value, "sparse version") >= 1;
    else if (key === "offset") offset = decimal(value, "sparse offset");
    else if (key === "numbytes") addSegment(sparse.segments, offset, decimal(value, "sparse length"));
    else if (key === "map") addList(sparse.segments, value.split(",").map((part) => decimal(part, "sparse map")));
  }
  return sparse;
}

/**
 * Gathers the map of PAX sparse 1.0 from the first blocks of a body: decimal numbers, one a line, the first their count
 * of pairs, padded to 512 bytes.
 */
export class BodyMapReader {
  #text = "";
  #numbers: number[] = [];
  /** Bytes of the body that were the map. */
  consumed = 0;

  /** Takes a block; the segments once they are complete. */
  add(block: Uint8Array): number[] | undefined {
    this.consumed += block.length;
    for (const byte of block) {
      if (byte !== 0x0a) {
        this.#text += String.fromCharCode(byte);
        if (this.#text.length > 20) throw new Error("tar: the map of a sparse file is not a list of numbers");
        continue;
      }
      this.#numbers.push(decimal(this.#text, "sparse map"));
      this.#text = "";
      if (this.#numbers[0] > MAX_SEGMENTS) throw tooMany();
      if (this.#numbers.length === 1 + 2 * this.#numbers[0]) {
        const segments: number[] = [];
        addList(segments, this.#numbers.slice(1));
        return segments;
      }
    }
    return undefined;
  }
}

/** @throws when the segments overlap, leave the file, or do not add up to the body. */
export function checkSparse(map: SparseMap, bodySize: number): SparseMap {
  let end = 0;
  let sum = 0;
  for (let i = 0; i < map.segments.length; i += 2) {
    if (map.segments[i] < end) throw new Error("tar: the segments of a sparse file overlap");
    end = map.segments[i] + map.segments[i + 1];
    sum += map.segments[i + 1];
  }
  if (end > map.realSize) throw new Error("tar: a segment of a sparse file lies behind its end");
  if (sum !== bodySize) throw new Error("tar: the segments of a sparse file do not add up to its body");
  return map;
}

function addList(segments: number[], numbers: number[]): void {
  if (numbers.length % 2 !== 0) throw new Error("tar: the map of a sparse file has an odd number of entries");
  for (let i = 0; i < numbers.length; i += 2) addSegment(segments, numbers[i], numbers[i + 1]);
}

function addSegment(segments: number[], offset: number, length: number): void {
  if (offset < 0 || length < 0) throw new Error("tar: a segment of a sparse file is negative");
  if (segments.length >= 2 * MAX_SEGMENTS) throw tooMany();
  segments.push(offset, length);
}

function tooMany(): Error {
  return new Error(`tar: a sparse file has more than ${MAX_SEGMENTS} segments`);
}
