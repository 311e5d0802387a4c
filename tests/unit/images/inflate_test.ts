import { assertEquals, assertThrows } from "@std/assert";
import * as zlib from "node:zlib";
import { DetectingInflater } from "../../../src/images/layer/inflate.ts";
import { sha256 } from "./support.ts";
import { concat } from "./tar_builder.ts";

const zstd = (bytes: Uint8Array) =>
  new Uint8Array((zlib as unknown as { zstdCompressSync(bytes: Uint8Array): Uint8Array }).zstdCompressSync(bytes));
const gzip = (bytes: Uint8Array) => new Uint8Array(zlib.gzipSync(bytes));

const A = new Uint8Array(900_000).map((_, index) => (index * 7919) >> 5);
const B = new Uint8Array(300_000).fill(65);
const SKIPPABLE = new Uint8Array([0x50, 0x2a, 0x4d, 0x18, 5, 0, 0, 0, 1, 2, 3, 4, 5]);

function inflate(bytes: Uint8Array, step: number): Uint8Array {
  const parts: Uint8Array[] = [];
  const inflater = new DetectingInflater((part) => parts.push(part.slice()));
  for (let at = 0; at < bytes.length; at += step) inflater.write(bytes.slice(at, at + step));
  inflater.end();
  return concat(parts);
}

const GOOD: [string, Uint8Array][] = [
  ["gzip", gzip(concat([A, B]))],
  ["gzip of two members", concat([gzip(A), gzip(B)])],
  ["zstd", zstd(concat([A, B]))],
  ["zstd of two frames", concat([zstd(A), zstd(B)])],
  [
    "zstd with skippable frames before, between and behind (zstd:chunked)",
    concat([SKIPPABLE, zstd(A), SKIPPABLE, SKIPPABLE, zstd(B), SKIPPABLE]),
  ],
  ["what is not compressed", concat([A, B])],
  ["gzip with zeros behind", concat([gzip(concat([A, B])), new Uint8Array(2000)])],
];

for (const [what, bytes] of GOOD) {
  Deno.test(`DetectingInflater.write() takes ${what}, in pieces of any size`, () => {
    for (const step of [1 << 20, 65_537, 1013]) {
      assertEquals(sha256(inflate(bytes, step)), sha256(concat([A, B])));
    }
  });
}

Deno.test("DetectingInflater.write() takes single bytes, and fewer of them than any format needs", () => {
  assertEquals(inflate(zstd(new Uint8Array(100)), 1), new Uint8Array(100));
  assertEquals(inflate(gzip(new Uint8Array(100)), 1), new Uint8Array(100));
  assertEquals(inflate(new Uint8Array([1, 2]), 1), new Uint8Array([1, 2]));
  assertEquals(inflate(new Uint8Array(), 1), new Uint8Array());
});

Deno.test("DetectingInflater.write() takes thousands of small zstd frames, as zstd:chunked has one per file", () => {
  const pieces = Array.from({ length: 3000 }, (_, index) => A.subarray(index * 300, index * 300 + 300));
  const frames = concat(pieces.flatMap((piece, index) => index % 10 === 0 ? [zstd(piece), SKIPPABLE] : [zstd(piece)]));
  for (const step of [1 << 20, 777]) assertEquals(sha256(inflate(frames, step)), sha256(concat(pieces)));
});

function flipped(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  copy[copy.length >> 1] ^= 0x55;
  return copy;
}

const BAD: [string, Uint8Array, string][] = [
  ["gzip that is cut", gzip(A).slice(0, -20), "unexpected end"],
  ["gzip with a cut trailer", gzip(A).slice(0, -2), "unexpected end"],
  ["gzip with a changed byte", flipped(gzip(A)), ""],
  ["gzip with rubbish behind", concat([gzip(A), B.subarray(0, 100)]), ""],
  ["zstd that is cut", zstd(A).slice(0, -20), "middle of a frame"],
  ["zstd with a cut second frame", concat([zstd(A), zstd(B).slice(0, 12)]), "middle of a frame"],
  ["zstd with a cut skippable frame", concat([zstd(A), SKIPPABLE.slice(0, 10)]), "middle of a frame"],
  ["zstd with rubbish behind", concat([zstd(A), B.subarray(0, 100)]), "between its frames"],
];

for (const [what, bytes, reason] of BAD) {
  Deno.test(`DetectingInflater.end() rejects ${what}`, () => {
    assertThrows(() => inflate(bytes, 10_000), Error, reason);
  });
}

Deno.test("DetectingInflater stops at what its output throws", () => {
  let count = 0;
  const inflater = new DetectingInflater(() => {
    count++;
    throw new Error("enough");
  });
  assertThrows(() => inflater.write(gzip(new Uint8Array(50 << 20))), Error, "enough");
  assertEquals(count, 1);
});
