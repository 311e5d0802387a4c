import { assertEquals } from "@std/assert";
import { HpackDecoder } from "../../../src/rpc/hpack_decoder.ts";
import { encodeHeaders } from "../../../src/rpc/hpack_encoder.ts";
import { bytesOf } from "./bytes.ts";

Deno.test("encodeHeaders() uses the static table for fields and for names", () => {
  assertEquals(encodeHeaders([[":status", "200"]]), bytesOf("88"));
  assertEquals(encodeHeaders([["content-type", "a"]]), bytesOf("0f10 01 61"));
  assertEquals(encodeHeaders([["x", "yz"]]), bytesOf("00 01 78 02 797a"));
});

Deno.test("encodeHeaders() makes what a decoder reads back, without the dynamic table", () => {
  const fields: [string, string][] = [
    [":status", "200"],
    ["content-type", "application/grpc"],
    ["grpc-status", "16"],
    ["grpc-message", "x".repeat(12_000)],
  ];
  const decoder = new HpackDecoder(64 * 1024);
  const block = encodeHeaders(fields);
  assertEquals(decoder.decode(block).fields.map(({ name, value }) => [name, value]), fields);
  assertEquals(decoder.tableSize, 0);
});
