import { assertEquals, assertNotEquals } from "@std/assert";
import { differingFields, requestHash } from "../../../src/pods/request_hash.ts";

Deno.test("requestHash() does not see the order of a map", () => {
  assertEquals(requestHash({ labels: { a: "1", b: "2" } }), requestHash({ labels: { b: "2", a: "1" } }));
});

Deno.test("requestHash() tells bytes, bigints, numbers and text apart", () => {
  const hashes = [1, 1n, "1", new Uint8Array([1]), [1], { a: 1 }].map((value) => requestHash({ value }));
  assertEquals(new Set(hashes).size, hashes.length);
});

Deno.test("requestHash() sees the order of a list", () => {
  assertNotEquals(requestHash({ args: ["a", "b"] }), requestHash({ args: ["b", "a"] }));
});

Deno.test("differingFields() names nested fields and stops at its limit", () => {
  assertEquals(differingFields({ a: { b: 1, c: 2 }, d: [1] }, { a: { b: 1, c: 3 }, d: [2] }), ["a.c", "d"]);
  const many = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`f${index}`, index]));
  assertEquals(differingFields(many, {}).length, 5);
});
