import { assertEquals, assertThrows } from "@std/assert";
import { SpdyError } from "../../../../src/streaming/spdy/error.ts";
import { HeaderBlockReader, HeaderBlockWriter } from "../../../../src/streaming/spdy/header_block.ts";
import { bytes, concat } from "../memory_transport.ts";

/** Three consecutive blocks of one connection, made by zlib with SPDY's dictionary at level 9. */
const RECORDED = [
  "ePnjxqfCAiU6cDorKUpNzIUWJaypoICGFMtF4BxgYWBhAKQ5iyDRmAlK3owGAAAAAP//",
  "wqoZVA4lEtYLAAAA//8=",
];
/** A block with a Huffman code of its own, and the one after it. */
const LONG = [
  [
    "dJVRjsIwDERPwB16Ab44UVZCgNRCRUHi+KQZorxZJz+miR3bY4/NPpYx8PbKw7hz+3PcwedBOVzSsqTpL2+16bxut/lx1yET/gRx",
    "W7f3MuX/jVeCPs3rNf10kropyuoOj+bH81xtomQMetNNy0Vn+dI3LGpUuiyxBdQwygXDVnX9BXYgY4qSci5/kq1IiC5jGaCA+KyB",
    "6VZSQVkRpsHQwzrQUQDFekqJawbRmwBCL5mxkUpG5aqIIXJvBIqniB2Fd9ZP1kjk3DrTq/uYGIZpRNVYc93oO8wTOMWXTMKTjISw",
    "9CxHfyNvfscRREJUMlvQm/jxsug8EvpMWE4OwpIVGz/sRhgqLBywjlxhpOrL6cV5AmLvPOoU1hs2T5xleIQd8u4n1XaK3TgF2M7/",
    "EUbbAxiAiRMNT966zoABzGjhOz5MBHvdyAyzURu8Ur0GE3anpfvhCwAA//8=",
  ].join(""),
  "oqDGNQQAAAD//w==",
];

const read = (reader: HeaderBlockReader, base64: string) =>
  Object.fromEntries(reader.read(Uint8Array.fromBase64(base64)));

Deno.test("HeaderBlockReader reads what zlib wrote, block after block", () => {
  const reader = new HeaderBlockReader();
  assertEquals(read(reader, RECORDED[0]), { streamtype: "error", port: "8080", requestid: "0" });
  assertEquals(read(reader, RECORDED[1]), { streamtype: "data", port: "8080", requestid: "0" });
  const long = read(reader, LONG[0]);
  assertEquals([long.streamtype, long["x-text"].split(" ").length], ["stdin", 300]);
  assertEquals(new Set(long["x-text"].split(" ")).size, 8);
  assertEquals(read(reader, LONG[1]), { streamtype: "data", port: "8080", requestid: "1" });
});

Deno.test("HeaderBlockReader reads what HeaderBlockWriter writes", () => {
  const reader = new HeaderBlockReader();
  const writer = new HeaderBlockWriter();
  for (const pairs of [[], [["a", "b"]], [["Name", "välue"], ["c", ""]]] as [string, string][][]) {
    const expected = Object.fromEntries(pairs.map(([name, value]) => [name.toLowerCase(), value]));
    assertEquals(Object.fromEntries(reader.read(writer.write(pairs))), expected);
  }
});

/** A block as the first of a connection, stored: its content is the test's. */
function stored(content: Uint8Array): Uint8Array {
  const head = new Uint8Array(7);
  const view = new DataView(head.buffer);
  head.set([0x78, 0x01, 0]);
  view.setUint16(3, content.length, true);
  view.setUint16(5, ~content.length & 0xffff, true);
  return concat(head, content, Uint8Array.of(0, 0, 0, 0xff, 0xff));
}

const word = (value: number) => Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);

Deno.test("HeaderBlockReader refuses counts and lengths that are lies", () => {
  const refuse = (content: Uint8Array, message: string) =>
    assertThrows(() => new HeaderBlockReader().read(stored(content)), SpdyError, message);
  refuse(new Uint8Array(0), "ends too early");
  refuse(word(0xffffffff), "headers");
  refuse(word(65), "65 headers");
  refuse(word(1), "ends too early");
  refuse(concat(word(1), word(0xfffffff0), bytes("a")), "ends too early");
  refuse(concat(word(1), word(1), bytes("a"), word(5), bytes("b")), "ends too early");
  refuse(
    concat(word(2), ...["a", "1", "A", "2"].flatMap((part) => [word(1), bytes(part)])),
    "twice",
  );
});

Deno.test("HeaderBlockReader refuses a bomb", () => {
  const zeros = Uint8Array.fromBase64("ePnjxqfC7MExAQAAAMIg+6deCF9gAAAAAAAA");
  assertThrows(() => new HeaderBlockReader().read(zeros), SpdyError);
});
