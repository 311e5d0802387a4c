import { assertEquals } from "@std/assert";
import { setImmediate } from "node:timers";
import { Turnstile } from "../../../src/pods/turnstile.ts";

Deno.test("Turnstile.pass() lets one through per turn of the event loop, in order", async () => {
  const turnstile = new Turnstile();
  let turn = 0;
  const counting = () =>
    setImmediate(() => {
      turn++;
      if (turn < 20) counting();
    });
  counting();
  const seen: [number, number][] = [];
  await Promise.all(Array.from({ length: 5 }, (_, index) => turnstile.pass().then(() => seen.push([index, turn]))));
  assertEquals(seen.map(([index]) => index), [0, 1, 2, 3, 4]);
  assertEquals(new Set(seen.map(([, turn]) => turn)).size, 5);
  while (turn < 20) await new Promise((resolve) => setImmediate(resolve));
});
