import { assertEquals } from "@std/assert";
import { RateKeeper } from "../../../src/stats/mod.ts";

const SECOND = 1_000_000_000n;

Deno.test("RateKeeper.nanoCores() is the CPU time used per second since the last sample", () => {
  const rates = new RateKeeper();
  assertEquals(rates.nanoCores("a", 10n * SECOND, 5n * SECOND), undefined);
  assertEquals(rates.nanoCores("a", 12n * SECOND, 6n * SECOND), SECOND / 2n);
  assertEquals(rates.nanoCores("a", 13n * SECOND, 8n * SECOND), 2n * SECOND);
  assertEquals(rates.nanoCores("a", 23n * SECOND, 8n * SECOND), 0n);
});

Deno.test("RateKeeper.nanoCores() keeps IDs apart and forgets", () => {
  const rates = new RateKeeper();
  rates.nanoCores("a", SECOND, 0n);
  assertEquals(rates.nanoCores("b", 2n * SECOND, SECOND), undefined);
  rates.forget("a");
  assertEquals(rates.nanoCores("a", 2n * SECOND, SECOND), undefined);
});

Deno.test("RateKeeper.nanoCores() gives callers that come too soon the last rate, and counts on from the last sample", () => {
  const rates = new RateKeeper();
  rates.nanoCores("a", SECOND, 0n);
  assertEquals(rates.nanoCores("a", SECOND, 0n), undefined);
  assertEquals(rates.nanoCores("a", 2n * SECOND, SECOND), SECOND);
  assertEquals(rates.nanoCores("a", 2n * SECOND + 1000n, SECOND + 999n), SECOND);
  assertEquals(rates.nanoCores("a", 3n * SECOND, SECOND), 0n);
});

Deno.test("RateKeeper.nanoCores() starts again where the counter or the clock went back", () => {
  const rates = new RateKeeper();
  rates.nanoCores("a", 5n * SECOND, 5n * SECOND);
  assertEquals(rates.nanoCores("a", 6n * SECOND, SECOND), undefined);
  assertEquals(rates.nanoCores("a", 7n * SECOND, 2n * SECOND), SECOND);
  assertEquals(rates.nanoCores("a", 2n * SECOND, 3n * SECOND), undefined);
});
