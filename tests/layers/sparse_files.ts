/** Sparse files as GNU tar and PAX writers describe them. A segment is an offset and a length. */
import { concat, type Member } from "../unit/images/tar_builder.ts";
import { random } from "./pieces.ts";

type Segments = number[][];

const BLOCK = 512;
const body = (segments: Segments) => random(segments.reduce((sum, [, length]) => sum + length, 0), segments.length);

/** Type S: four segments in the header, 21 in each block behind it. The extension blocks are the body's first part. */
export function oldGnuSparse(path: string, realSize: number, segments: Segments): Member[] {
  const data = body(segments);
  const [first, rest] = [segments.slice(0, 4), segments.slice(4)];
  const blocks: Uint8Array[] = [];
  for (let at = 0; at < rest.length; at += 21) {
    const block = new Uint8Array(BLOCK);
    putSegments(block, 0, rest.slice(at, at + 21));
    block[504] = at + 21 < rest.length ? 1 : 0;
    blocks.push(block);
  }
  return [{
    path,
    type: "S",
    // The size in the header is that of the data alone; blocks of the map are not counted.
    size: data.length,
    content: concat([...blocks, data]),
    patch(header) {
      header.set(new TextEncoder().encode("ustar  \0"), 257);
      header.fill(0, 345, 512);
      putSegments(header, 386, first);
      header[482] = blocks.length > 0 ? 1 : 0;
      octal(header, 483, realSize);
    },
  }];
}

export function paxSparse(version: "0.0" | "0.1" | "1.0", path: string, realSize: number, segments: Segments): Member {
  const data = body(segments);
  const list = segments.flat();
  if (version === "1.0") {
    const text = new TextEncoder().encode([segments.length, ...list].map((value) => `${value}\n`).join(""));
    const map = new Uint8Array(Math.ceil(text.length / BLOCK) * BLOCK);
    map.set(text);
    const pax = { "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": path };
    return {
      path: `GNUSparseFile.0/${path}`,
      content: concat([map, data]),
      pax: { ...pax, "GNU.sparse.realsize": String(realSize) },
    };
  }
  const head = { "GNU.sparse.size": String(realSize), "GNU.sparse.numblocks": String(segments.length) };
  if (version === "0.1") {
    const pax = { ...head, "GNU.sparse.name": path, "GNU.sparse.map": list.join(",") };
    return { path: `GNUSparseFile.0/${path}`, content: data, pax };
  }
  const records = segments.flatMap(([offset, length]) => [["offset", offset], ["numbytes", length]])
    .map(([key, value]) => record(`GNU.sparse.${key}`, String(value))).join("");
  const pax = [record("GNU.sparse.size", String(realSize)), record("GNU.sparse.numblocks", String(segments.length))];
  return { path, content: data, rawPax: pax.join("") + records };
}

function record(key: string, value: string): string {
  const rest = key.length + value.length + 3;
  let length = rest + 1;
  while (String(length).length + rest !== length) length = String(length).length + rest;
  return `${length} ${key}=${value}\n`;
}

function putSegments(block: Uint8Array, at: number, segments: Segments): void {
  segments.forEach(([offset, length], index) => {
    octal(block, at + index * 24, offset);
    octal(block, at + index * 24 + 12, length);
  });
}

function octal(block: Uint8Array, at: number, value: number): void {
  block.set(new TextEncoder().encode(value.toString(8).padStart(11, "0") + "\0"), at);
}
