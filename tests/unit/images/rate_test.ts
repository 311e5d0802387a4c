import { assertEquals } from "@std/assert";
import { Rate } from "../../../src/images/rate.ts";

Deno.test("Rate.after() is of the last seconds only, and shows a stall", () => {
  const rate = new Rate();
  assertEquals(rate.after(0, 0), 0);
  assertEquals(rate.after(1_000, 1_000), 1_000);
  assertEquals(rate.after(10_000, 2_000), 5_000);
  for (let at = 3_000; at <= 6_000; at += 1_000) rate.after(10_000, at);
  assertEquals(rate.after(10_000, 7_000), 0);
  assertEquals(rate.after(9_000, 7_500), 0);
});
