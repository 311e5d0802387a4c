import { assertEquals, assertThrows } from "@std/assert";
import { messagePrefix, MessageReader } from "../../../src/rpc/message_reader.ts";
import { Code, RpcError } from "../../../src/rpc/status.ts";
import { bytesOf, concat } from "./bytes.ts";

const LIMIT = 1024 * 1024;

function failure(body: () => unknown): Code {
  return assertThrows(body, RpcError).code;
}

for (const step of [1, 2, 5, 6, 1000, 70_000, 1_000_000]) {
  Deno.test(`MessageReader takes a message that comes ${step} bytes at a time`, () => {
    const message = Uint8Array.from({ length: 200_000 }, (_, at) => at % 251);
    const body = concat(messagePrefix(message.length), message);
    const reader = new MessageReader(LIMIT);
    for (let at = 0; at < body.length; at += step) reader.push(body.subarray(at, at + step));
    assertEquals(reader.finish(), message);
  });
}

Deno.test("MessageReader copies, so that the buffer it was given may be used again", () => {
  const body = concat(messagePrefix(2), bytesOf("0102"));
  const reader = new MessageReader(LIMIT);
  reader.push(body);
  body.fill(0);
  assertEquals(reader.finish(), bytesOf("0102"));
});

Deno.test("MessageReader takes an empty message, and a message as large as the limit", () => {
  const empty = new MessageReader(LIMIT);
  empty.push(messagePrefix(0));
  assertEquals(empty.finish().length, 0);
  const largest = new MessageReader(LIMIT);
  largest.push(messagePrefix(LIMIT));
  largest.push(new Uint8Array(LIMIT));
  assertEquals(largest.finish().length, LIMIT);
});

Deno.test("MessageReader.push() refuses a message over the limit by its prefix, with both sizes in words", () => {
  const reader = new MessageReader(LIMIT);
  const error = assertThrows(() => reader.push(messagePrefix(LIMIT + 1)), RpcError, `${LIMIT + 1} bytes`);
  assertEquals(error.code, Code.RESOURCE_EXHAUSTED);
  assertEquals(failure(() => new MessageReader(LIMIT).push(bytesOf("00 ffffffff"))), Code.RESOURCE_EXHAUSTED);
});

Deno.test("MessageReader does not reserve what a prefix only promises", () => {
  const before = Deno.memoryUsage().external;
  const readers = Array.from({ length: 100 }, () => {
    const reader = new MessageReader(1024 * LIMIT);
    reader.push(concat(messagePrefix(1024 * LIMIT), bytesOf("00")));
    return reader;
  });
  assertEquals(readers.length, 100);
  assertEquals(Deno.memoryUsage().external - before < 32 * LIMIT, true);
});

Deno.test("MessageReader.push() refuses a second message and bytes after the first", () => {
  const one = concat(messagePrefix(1), bytesOf("01"));
  assertEquals(failure(() => new MessageReader(LIMIT).push(concat(one, one))), Code.INTERNAL);
  const reader = new MessageReader(LIMIT);
  reader.push(one);
  assertEquals(failure(() => reader.push(bytesOf("00"))), Code.INTERNAL);
});

Deno.test("MessageReader.push() refuses a compressed flag and unknown flags", () => {
  for (const flag of ["01", "02", "80"]) {
    assertEquals(failure(() => new MessageReader(LIMIT).push(bytesOf(`${flag} 00000000`))), Code.INTERNAL);
  }
});

Deno.test("MessageReader.finish() refuses no message, half a prefix and half a message", () => {
  for (const hex of ["", "000000", "00 00000002 01"]) {
    const reader = new MessageReader(LIMIT);
    reader.push(bytesOf(hex));
    assertEquals(failure(() => reader.finish()), Code.INTERNAL, hex);
  }
});
