import { assertEquals, assertThrows } from "@std/assert";
import { decodeHuffman } from "../../../src/rpc/huffman.ts";
import { bytesOf } from "./bytes.ts";

function decode(hex: string): string {
  const bytes = bytesOf(hex);
  return decodeHuffman(bytes, 0, bytes.length);
}

Deno.test("decodeHuffman() decodes the strings of RFC 7541 C.4 and C.6", () => {
  assertEquals(decode("f1e3c2e5f23a6ba0ab90f4ff"), "www.example.com");
  assertEquals(decode("a8eb10649cbf"), "no-cache");
  assertEquals(decode("25a849e95ba97d7f"), "custom-key");
  assertEquals(decode("6402"), "302");
  assertEquals(decode("d07abe941054d444a8200595040b8166e082a62d1bff"), "Mon, 21 Oct 2013 20:13:21 GMT");
  assertEquals(decode(""), "");
});

Deno.test("decodeHuffman() decodes only the range it is given", () => {
  assertEquals(decodeHuffman(bytesOf("00 a8eb10649cbf 00"), 1, 7), "no-cache");
});

Deno.test("decodeHuffman() decodes octets with the longest codes", () => {
  // 0x0a is thirty bits 3ffffffc, and two bits of padding.
  assertEquals(decode("fffffff3"), "\n");
});

Deno.test("decodeHuffman() refuses padding of eight bits or more", () => {
  assertThrows(() => decode("a8eb10649cbfff"), Error, "padding");
});

Deno.test("decodeHuffman() refuses padding with a zero bit", () => {
  // "a" is 00011, so the three bits after it must be ones.
  assertEquals(decode("1f"), "a");
  assertThrows(() => decode("18"), Error, "padding");
});

Deno.test("decodeHuffman() refuses EOS inside a string", () => {
  assertThrows(() => decode("ffffffff"), Error, "EOS");
});
