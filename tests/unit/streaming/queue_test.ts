import { assert, assertEquals } from "@std/assert";
import { ByteQueue, QueueBudget } from "../../../src/streaming/queue.ts";
import { bytes, settle, text } from "./memory_transport.ts";

Deno.test("ByteQueue gives copies, in order, and then the end", async () => {
  const queue = new ByteQueue(new QueueBudget());
  const shared = bytes("one");
  queue.push(shared);
  shared.fill(0);
  queue.push(bytes("two"));
  queue.end();
  queue.push(bytes("late"));
  assertEquals([text(await queue.read()), text(await queue.read())], ["one", "two"]);
  assertEquals([await queue.read(), await queue.read()], [null, null]);
});

Deno.test("ByteQueue.read() waits, and discard() wakes it", async () => {
  const queue = new ByteQueue(new QueueBudget());
  const first = queue.read();
  queue.push(bytes("x"));
  assertEquals(text(await first), "x");
  const second = queue.read();
  queue.discard();
  assertEquals(await second, null);
});

Deno.test("QueueBudget.room() waits until enough has been taken", async () => {
  const budget = new QueueBudget(1000);
  const queue = new ByteQueue(budget);
  await budget.room();
  queue.push(new Uint8Array(1200));
  let room = false;
  const waiting = budget.room().then(() => room = true);
  await settle();
  assert(!room);
  await queue.read();
  await waiting;
  assertEquals(budget.queued, 0);
});

Deno.test("QueueBudget charges tiny pieces for what they really cost", () => {
  const budget = new QueueBudget();
  const queue = new ByteQueue(budget);
  for (let i = 0; i < 1000; i++) queue.push(new Uint8Array(1));
  assert(budget.queued > 200_000);
  queue.discard();
  queue.push(bytes("after"));
  assertEquals(budget.queued, 0);
});

Deno.test("QueueBudget.room() does not outlive its connection", async () => {
  const budget = new QueueBudget(10);
  budget.change(100);
  const waiting = budget.room();
  budget.close();
  await waiting;
});
