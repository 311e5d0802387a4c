import { assert, assertEquals, assertThrows } from "@std/assert";
import { deflateSync } from "node:zlib";
import { DICTIONARY } from "../../../../src/streaming/spdy/dictionary.ts";
import { Inflate, InflateError } from "../../../../src/streaming/spdy/inflate.ts";

const LIMIT = 1 << 20;
const FINISH_FLUSH = 2; // Z_SYNC_FLUSH

const random = (length: number, letters: number) => {
  let seed = 7;
  return Uint8Array.from({ length }, () => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) % letters);
};

for (const level of [0, 1, 6, 9]) {
  Deno.test(`Inflate.push() undoes zlib at level ${level}`, () => {
    for (const data of [new Uint8Array(0), random(1, 256), random(70_000, 256), random(200_000, 4), random(5000, 30)]) {
      const compressed = new Uint8Array(deflateSync(data, { level, finishFlush: FINISH_FLUSH }));
      assertEquals(new Inflate(DICTIONARY).push(compressed, LIMIT), data);
    }
  });
}

Deno.test("DICTIONARY is the one of SPDY/3", () => {
  // Adler-32 as the protocol's clients name it in the zlib header (FDICT).
  let [a, b] = [1, 0];
  for (const byte of DICTIONARY) [a, b] = [(a + byte) % 65521, (a + byte + b) % 65521];
  assertEquals((((b << 16) | a) >>> 0).toString(16), "e3c6a7c2");
});

Deno.test("Inflate.push() stops at its limit", () => {
  const compressed = new Uint8Array(deflateSync(new Uint8Array(10 << 20), { finishFlush: FINISH_FLUSH }));
  assertThrows(() => new Inflate(DICTIONARY).push(compressed, LIMIT), InflateError, "more than 1048576");
});

Deno.test("Inflate.push() refuses what is not zlib, and every way to end too early", () => {
  const compressed = new Uint8Array(deflateSync(random(5000, 30), { finishFlush: FINISH_FLUSH }));
  assertThrows(() => new Inflate(DICTIONARY).push(Uint8Array.of(1, 2, 3), LIMIT), InflateError);
  for (const cut of [1, 2, 3, 10, 100, 1000]) {
    const inflate = new Inflate(DICTIONARY);
    assertThrows(() => inflate.push(compressed.subarray(0, cut === 2 ? 0 : cut), LIMIT), InflateError);
  }
});

Deno.test("Inflate.push() refuses bytes after the end, unknown blocks and distances before the beginning", () => {
  const ended = new Uint8Array(deflateSync(random(10, 30)));
  assertThrows(() => new Inflate(DICTIONARY).push(ended, LIMIT), InflateError, "follow the end");
  assertThrows(
    () => new Inflate(DICTIONARY).push(Uint8Array.of(0x78, 0x01, 0x06), LIMIT),
    InflateError,
    "no known type",
  );
  // Fixed codes: length 3 (0000001), distance 1 (00000), with nothing written yet.
  const farBack = Uint8Array.of(0x78, 0x01, 0b00000_0_10 | 0, 0b00000_010, 0, 0, 0);
  assertThrows(() => new Inflate(DICTIONARY).push(farBack, LIMIT), InflateError);
});

Deno.test("Inflate.push() survives a thousand corrupted streams", () => {
  const good = new Uint8Array(deflateSync(random(3000, 30), { finishFlush: FINISH_FLUSH }));
  let refused = 0;
  for (let i = 0; i < 1000; i++) {
    const bad = good.slice();
    // Half of them in the codes at the beginning, where they do the most.
    bad[2 + (i * 7919) % (i % 2 === 0 ? 60 : bad.length - 2)] ^= 1 << (i % 8);
    try {
      assert(new Inflate(DICTIONARY).push(bad, LIMIT).length <= LIMIT);
    } catch (error) {
      assert(error instanceof InflateError, String(error));
      refused++;
    }
  }
  assert(refused > 100);
});
