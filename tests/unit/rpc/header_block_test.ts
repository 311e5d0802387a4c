import { assertEquals, assertThrows } from "@std/assert";
import { ConnectionError, ErrorCode, Flag } from "../../../src/rpc/frames.ts";
import { HeaderBlockAssembler } from "../../../src/rpc/header_block.ts";
import { bytesOf } from "./bytes.ts";

const LIMITS = { maxHeaderBlockBytes: 100, maxContinuationFrames: 4 };

Deno.test("HeaderBlockAssembler joins HEADERS and CONTINUATION frames", () => {
  const assembler = new HeaderBlockAssembler(LIMITS);
  assertEquals(assembler.headers(1, Flag.END_STREAM, bytesOf("01")), undefined);
  assertEquals(assembler.isOpen, true);
  assertEquals(assembler.continuation(1, 0, bytesOf("0203")), undefined);
  const block = assembler.continuation(1, Flag.END_HEADERS, bytesOf("04"));
  assertEquals([block?.bytes, block?.endStream], [bytesOf("01020304"), true]);
  assertEquals(assembler.isOpen, false);
});

Deno.test("HeaderBlockAssembler takes padding and priority away, and sees a stream that depends on itself", () => {
  const assembler = new HeaderBlockAssembler(LIMITS);
  const flags = Flag.END_HEADERS | Flag.PADDED | Flag.PRIORITY;
  const block = assembler.headers(5, flags, bytesOf("01 00000003 ff aa 00"));
  assertEquals([block?.bytes, block?.dependsOnItself, block?.endStream], [bytesOf("aa"), false, false]);
  assertEquals(assembler.headers(5, flags, bytesOf("00 80000005 ff aa"))?.dependsOnItself, true);
  assertThrows(() => assembler.headers(5, Flag.END_HEADERS | Flag.PRIORITY, bytesOf("00000003")), ConnectionError);
});

Deno.test("HeaderBlockAssembler refuses a CONTINUATION of nothing, and of another stream", () => {
  const assembler = new HeaderBlockAssembler(LIMITS);
  assertThrows(() => assembler.continuation(1, 0, bytesOf("")), ConnectionError);
  assembler.headers(1, 0, bytesOf("01"));
  assertThrows(() => assembler.continuation(3, 0, bytesOf("")), ConnectionError);
});

for (const [name, size, count] of [["many empty", 0, 4], ["a few large", 40, 3]] as const) {
  Deno.test(`HeaderBlockAssembler refuses ${name} CONTINUATION frames`, () => {
    const assembler = new HeaderBlockAssembler(LIMITS);
    assembler.headers(1, 0, new Uint8Array(10));
    const error = assertThrows(() => {
      for (let frames = 0; frames < count; frames++) assembler.continuation(1, 0, new Uint8Array(size));
    }, ConnectionError);
    assertEquals(error.code, ErrorCode.ENHANCE_YOUR_CALM);
  });
}
