import { assertEquals, assertThrows } from "@std/assert";
import { SpdyError } from "../../../../src/streaming/spdy/error.ts";
import { controlFrame, dataHead, FrameReader, PING, SYN_STREAM } from "../../../../src/streaming/spdy/frames.ts";
import { bytes, concat } from "../memory_transport.ts";

/** What the reader makes of the bytes; pieces of data joined. */
function frames(...pieces: Uint8Array[]) {
  const reader = new FrameReader();
  const found: unknown[] = [];
  const data = new Map<number, string>();
  for (const piece of pieces) {
    for (const frame of reader.push(piece)) {
      if (frame.kind === "control") found.push([frame.type, frame.flags, [...frame.body]]);
      else {
        data.set(frame.stream, (data.get(frame.stream) ?? "") + new TextDecoder().decode(frame.bytes));
        if (frame.fin) found.push([`end of ${frame.stream}`, data.get(frame.stream)]);
      }
    }
  }
  return found;
}

const stream = concat(
  controlFrame(PING, [1]),
  dataHead(1, 5, false),
  bytes("hello"),
  dataHead(3, 0, true),
  dataHead(1, 6, true),
  bytes(" world"),
  controlFrame(PING, [3]),
);
const expected = [
  [PING, 0, [0, 0, 0, 1]],
  ["end of 3", ""],
  ["end of 1", "hello world"],
  [PING, 0, [0, 0, 0, 3]],
];

Deno.test("FrameReader finds the same frames however they are cut", () => {
  assertEquals(frames(stream), expected);
  assertEquals(frames(...[...stream].map((byte) => Uint8Array.of(byte))), expected);
  for (let cut = 1; cut < stream.length; cut++) {
    assertEquals(frames(stream.subarray(0, cut), stream.subarray(cut)), expected);
  }
});

Deno.test("FrameReader hands on data of a frame that is not there in whole", () => {
  const reader = new FrameReader();
  const [piece] = reader.push(concat(dataHead(1, 0xffffff, true), bytes("begin")));
  assertEquals(piece.kind === "data" && [new TextDecoder().decode(piece.bytes), piece.fin], ["begin", false]);
});

Deno.test("FrameReader refuses a large control frame before it is there, and other versions", () => {
  const large = controlFrame(SYN_STREAM, []);
  new DataView(large.buffer).setUint32(4, 0x10001);
  assertThrows(() => frames(large), SpdyError, "65537 bytes");
  const version2 = controlFrame(PING, [1]);
  version2[1] = 2;
  assertThrows(() => frames(version2), SpdyError, "version 2");
});
