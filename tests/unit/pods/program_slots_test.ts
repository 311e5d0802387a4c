import { assertEquals, assertRejects } from "@std/assert";
import { ProgramSlots } from "../../../src/pods/program_slots.ts";

const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

Deno.test("ProgramSlots.run() lets two per processor begin, the others in order", async () => {
  const slots = new ProgramSlots(1);
  const begun: number[] = [];
  const ends: (() => void)[] = [];
  const all = Array.from({ length: 5 }, (_, index) =>
    slots.run(() => {
      begun.push(index);
      return new Promise<number>((resolve) => ends.push(() => resolve(index)));
    }));
  await sleep(5);
  assertEquals(begun, [0, 1]);
  ends[1]();
  await sleep(5);
  assertEquals(begun, [0, 1, 2]);
  ends[0]();
  ends[2]();
  await sleep(5);
  assertEquals(begun, [0, 1, 2, 3, 4]);
  ends[3]();
  ends[4]();
  assertEquals(await Promise.all(all), [0, 1, 2, 3, 4]);
});

Deno.test("ProgramSlots.run() gives up the slot of what waits, once", async () => {
  const slots = new ProgramSlots(1);
  let running = 0, most = 0;
  const slow = Array.from({ length: 2 }, () => slots.run(() => sleep(300)));
  await sleep(150);
  const quick = Array.from({ length: 6 }, () =>
    slots.run(async () => {
      most = Math.max(most, ++running);
      await sleep(10);
      running--;
    }));
  await Promise.all(quick);
  assertEquals(most, 2);
  await Promise.all(slow);
  await Promise.all(Array.from({ length: 6 }, () =>
    slots.run(async () => {
      most = Math.max(most, ++running);
      await sleep(10);
      running--;
    })));
  assertEquals(most, 2);
});

Deno.test("ProgramSlots.run() gives the slot of a failure on", async () => {
  const slots = new ProgramSlots(1);
  for (let i = 0; i < 5; i++) await assertRejects(() => slots.run(() => Promise.reject(new Error("no"))), Error, "no");
  assertEquals(await slots.run(() => 7), 7);
});
