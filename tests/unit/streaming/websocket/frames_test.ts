import { assertEquals, assertThrows } from "@std/assert";
import { WebSocketError } from "../../../../src/streaming/websocket/error.ts";
import { BINARY, CLOSE, CONTINUATION, FrameReader, PING, TEXT } from "../../../../src/streaming/websocket/frames.ts";
import { bytes, concat } from "../memory_transport.ts";
import { clientFrame } from "./client_frames.ts";

/** Messages and control frames in order; pieces joined. */
function read(...pieces: Uint8Array[]) {
  const reader = new FrameReader();
  const found: unknown[] = [];
  let message = "";
  for (const piece of pieces) {
    for (const frame of reader.push(piece)) {
      if (frame.kind === "control") found.push([frame.opcode, new TextDecoder().decode(frame.body)]);
      else {
        if (frame.first) message = "";
        message += new TextDecoder("latin1").decode(frame.bytes);
        if (frame.last) found.push(message);
      }
    }
  }
  return found;
}

const stream = concat(
  clientFrame(BINARY, bytes("hello")),
  clientFrame(TEXT, bytes("frag"), { fin: false }),
  clientFrame(PING, bytes("p")),
  clientFrame(CONTINUATION, bytes(""), { fin: false }),
  clientFrame(CONTINUATION, bytes("mented")),
  clientFrame(BINARY, bytes("")),
  clientFrame(BINARY, new Uint8Array(300).fill(65)),
  clientFrame(CLOSE, Uint8Array.of(3, 0xe8 & 0x7f)),
);
const expected = ["hello", [PING, "p"], "fragmented", "", "A".repeat(300), [CLOSE, "\u0003h"]];

Deno.test("FrameReader finds the same messages however they are cut", () => {
  assertEquals(read(stream), expected);
  assertEquals(read(...[...stream].map((byte) => Uint8Array.of(byte))), expected);
  for (let cut = 1; cut < stream.length; cut++) {
    assertEquals(read(stream.subarray(0, cut), stream.subarray(cut)), expected);
  }
});

Deno.test("FrameReader hands on a message of a terabyte as it comes", () => {
  const frame = clientFrame(BINARY, bytes("begin"), { length: 1n << 40n });
  const [piece] = new FrameReader().push(frame);
  assertEquals(piece.kind === "message" && [new TextDecoder().decode(piece.bytes), piece.first, piece.last], [
    "begin",
    true,
    false,
  ]);
});

for (
  const [what, frames] of [
    ["a frame without a mask", [clientFrame(BINARY, bytes("x"), { mask: false })]],
    ["a reserved bit", [clientFrame(BINARY, bytes("x"), { reserved: 0x40 })]],
    ["an unknown opcode", [clientFrame(3, bytes("x"))]],
    ["an unknown control opcode", [clientFrame(11, bytes("x"))]],
    ["a fragmented control frame", [clientFrame(PING, bytes("x"), { fin: false })]],
    ["a long control frame", [clientFrame(PING, new Uint8Array(126))]],
    ["a continuation of nothing", [clientFrame(CONTINUATION, bytes("x"))]],
    ["a message inside another", [clientFrame(TEXT, bytes("x"), { fin: false }), clientFrame(TEXT, bytes("y"))]],
    ["a length beyond all", [clientFrame(BINARY, bytes("x"), { length: 1n << 60n })]],
  ] as [string, Uint8Array[]][]
) {
  Deno.test(`FrameReader refuses ${what}`, () => {
    const error = assertThrows(() => read(...frames), WebSocketError) as WebSocketError;
    assertEquals(error.code, 1002);
  });
}
