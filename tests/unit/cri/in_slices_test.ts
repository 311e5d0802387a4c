import { assert, assertEquals } from "@std/assert";
import { inSlices } from "../../../src/cri/in_slices.ts";

function work(milliseconds: number): void {
  for (const end = performance.now() + milliseconds; performance.now() < end;);
}

Deno.test("inSlices() gives the results in order, and others their turn after some milliseconds of work", async () => {
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  const results = await inSlices(Array.from({ length: 60 }, (_, index) => index), (item) => (work(1), item * 2));
  clearInterval(timer);
  assertEquals(results, Array.from({ length: 60 }, (_, index) => index * 2));
  assert(turns >= 8, `60 ms of work, and others had ${turns} turns`);
});

Deno.test("inSlices() looks at a lazy item only when its turn is there", async () => {
  const gone = new Set<number>();
  function* items() {
    for (let index = 0; index < 20; index++) if (!gone.has(index)) yield index;
  }
  setTimeout(() => gone.add(19), 0);
  const results = await inSlices(items(), (item) => (work(1), item));
  assertEquals(results, Array.from({ length: 19 }, (_, index) => index));
});

Deno.test("inSlices() fails with what the work fails with", async () => {
  const failure = new Error("no");
  const outcome = await inSlices([1], () => {
    throw failure;
  }).catch((error) => error);
  assertEquals(outcome, failure);
});
