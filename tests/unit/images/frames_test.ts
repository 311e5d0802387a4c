import { assertEquals, assertThrows } from "@std/assert";
import { FrameWriter } from "../../../src/images/frame_writer.ts";
import {
  DOCUMENT_STREAM,
  frameHeader,
  FrameKind,
  FrameReader,
  MAX_FRAME_PAYLOAD,
  TruncatedFrames,
} from "../../../src/images/frames.ts";
import { concat } from "./tar_builder.ts";

/** A source that gives at most `step` bytes at a time. */
function source(bytes: Uint8Array, step: number): (into: Uint8Array) => number | null {
  let at = 0;
  return (into) => {
    if (at === bytes.length) return null;
    const count = Math.min(step, into.length, bytes.length - at);
    into.set(bytes.subarray(at, at + count));
    at += count;
    return count;
  };
}

async function* parts(...sizes: number[]): AsyncGenerator<Uint8Array> {
  for (const size of sizes) yield new Uint8Array(size).fill(size);
}

Deno.test("FrameReader reads what FrameWriter wrote, streams side by side, in pieces of any size", async () => {
  const written: Uint8Array[] = [];
  const writer = new FrameWriter({
    write: (bytes) => {
      // A pipe takes only some of it.
      const count = Math.min(bytes.length, 100_000);
      written.push(bytes.slice(0, count));
      return Promise.resolve(count);
    },
  });
  let sent = 0;
  const send = async (stream: number, ...sizes: number[]) => {
    await writer.start(stream, { role: "layer", size: 0 });
    await writer.data(stream, parts(...sizes), (bytes) => sent += bytes);
    await writer.end(stream);
  };
  await Promise.all([send(0, 300_000, 7, 1), send(1, 5), send(DOCUMENT_STREAM, 600_000)]);
  assertEquals(sent, 900_013);
  for (const step of [1 << 20, 4096, 7]) {
    const reader = new FrameReader(source(concat(written), step));
    const lengths = new Map<number, number>();
    const ended: number[] = [];
    for (let frame = reader.next(); frame !== null; frame = reader.next()) {
      if (frame.kind === FrameKind.DATA) {
        lengths.set(frame.stream, (lengths.get(frame.stream) ?? 0) + frame.payload.length);
      }
      if (frame.kind === FrameKind.END) ended.push(frame.stream);
    }
    assertEquals([...lengths].sort(), [[0, 300_008], [1, 5], [DOCUMENT_STREAM, 600_000]]);
    assertEquals(ended.length, 3);
    if (step === 7) break;
  }
});

Deno.test("FrameReader rejects unknown kinds and streams, and payloads over the limit", () => {
  const read = (bytes: Uint8Array) => new FrameReader(source(bytes, 100)).next();
  const header = (change: (bytes: Uint8Array) => void) => {
    const bytes = frameHeader(FrameKind.DATA, 0, 0);
    change(bytes);
    return bytes;
  };
  assertThrows(() => read(header((bytes) => bytes[0] = 9)), Error, "unknown kind 9");
  assertThrows(() => read(header((bytes) => bytes[0] = 0)), Error, "unknown kind 0");
  assertThrows(() => read(header((bytes) => bytes[1] = 200)), Error, "unknown stream 200");
  assertThrows(() => read(header((bytes) => bytes[7] = 0xff)), Error, "is over");
  assertThrows(() => frameHeader(FrameKind.DATA, 0, MAX_FRAME_PAYLOAD + 1), RangeError);
});

Deno.test("FrameReader tells an end inside a frame from one between frames", () => {
  const frame = concat([frameHeader(FrameKind.DATA, 0, 4), new Uint8Array(4)]);
  for (let length = 1; length < frame.length; length++) {
    assertThrows(() => new FrameReader(source(frame.subarray(0, length), 3)).next(), TruncatedFrames);
  }
  const reader = new FrameReader(source(frame, 3));
  assertEquals(reader.next()?.payload.length, 4);
  assertEquals(reader.next(), null);
});
