import { assert, assertEquals } from "@std/assert";
import { Deadlines, type Expiring, parseTimeout } from "../../../src/rpc/timeout.ts";

Deno.test("parseTimeout() knows all units", () => {
  assertEquals(parseTimeout("2H"), 7_200_000);
  assertEquals(parseTimeout("3M"), 180_000);
  assertEquals(parseTimeout("4S"), 4000);
  assertEquals(parseTimeout("5m"), 5);
  assertEquals(parseTimeout("1500u"), 1.5);
  assertEquals(parseTimeout("99999999n"), 99.999999);
  assertEquals(parseTimeout("0n"), 0);
});

Deno.test("parseTimeout() refuses what the protocol does not know", () => {
  for (const value of ["", "5", "S", "-1S", "1.5S", "123456789S", "1s", "1S "]) {
    assertEquals(parseTimeout(value), undefined);
  }
});

class Expiry implements Expiring {
  readonly expiresAt: number;
  expiredAt: number | undefined;
  constructor(milliseconds: number) {
    this.expiresAt = performance.now() + milliseconds;
  }
  expire(): void {
    this.expiredAt = performance.now();
  }
}

Deno.test("Deadlines tells each once its time has come, in whatever order they were added", async () => {
  const deadlines = new Deadlines();
  const expiries = [80, 20, 5000, 50, 0].map((milliseconds) => new Expiry(milliseconds));
  const [late, soon, never, removed, now] = expiries;
  for (const expiry of expiries) deadlines.add(expiry);
  deadlines.remove(removed);
  await new Promise((resolve) => setTimeout(resolve, 200));
  for (const expiry of [late, soon, now]) assert(expiry.expiredAt! >= expiry.expiresAt);
  assertEquals([never.expiredAt, removed.expiredAt], [undefined, undefined]);
  deadlines.stop();
});

Deno.test("Deadlines.stop() leaves no timer and tells nobody", async () => {
  const deadlines = new Deadlines();
  const expiry = new Expiry(20);
  deadlines.add(expiry);
  deadlines.stop();
  await new Promise((resolve) => setTimeout(resolve, 50));
  assertEquals(expiry.expiredAt, undefined);
});

Deno.test("Deadlines takes a deadline that is further away than a timer can be", () => {
  const deadlines = new Deadlines();
  const expiry = new Expiry(99_999_999 * 3_600_000);
  deadlines.add(expiry);
  assertEquals(expiry.expiredAt, undefined);
  deadlines.stop();
});
