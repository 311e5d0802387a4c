import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { Code, RpcError } from "../../../src/rpc/status.ts";
import { Tokens } from "../../../src/streaming/tokens.ts";

Deno.test("Tokens.take() gives the value once", () => {
  const tokens = new Tokens<string>(10, 60_000);
  const token = tokens.issue("value");
  assertMatch(token, /^[A-Za-z0-9_-]{22}$/);
  assertEquals(tokens.take("A".repeat(22)), undefined);
  assertEquals(tokens.take(token), "value");
  assertEquals(tokens.take(token), undefined);
  tokens.clear();
});

Deno.test("Tokens.issue() never repeats itself", () => {
  const tokens = new Tokens<number>(1000, 60_000);
  assertEquals(new Set(Array.from({ length: 1000 }, (_, index) => tokens.issue(index))).size, 1000);
  tokens.clear();
});

Deno.test("Tokens.take() refuses an expired token", () => {
  let now = 0;
  const tokens = new Tokens<string>(10, 60_000, () => now);
  const early = tokens.issue("early");
  now = 59_999;
  const late = tokens.issue("late");
  assertEquals(tokens.take(early), "early");
  now = 119_999;
  assertEquals(tokens.take(late), undefined);
  tokens.clear();
});

Deno.test("Tokens.issue() refuses too many, and makes room as they expire", () => {
  let now = 0;
  const tokens = new Tokens<number>(3, 60_000, () => now);
  for (let i = 0; i < 3; i++) tokens.issue(i);
  const error = assertThrows(() => tokens.issue(3), RpcError, "3 streaming URLs");
  assert(error instanceof RpcError);
  assertEquals(error.code, Code.RESOURCE_EXHAUSTED);
  now = 60_000;
  tokens.issue(4);
  assertEquals(tokens.size, 1);
  tokens.clear();
});
