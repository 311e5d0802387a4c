import { assertEquals, assertRejects } from "@std/assert";
import { KeyedQueue } from "../../../src/sys/mod.ts";

Deno.test("KeyedQueue.run() takes one key's work in order, other keys meanwhile, and goes on after a failure", async () => {
  const queue = new KeyedQueue();
  const seen: string[] = [];
  const first = Promise.withResolvers<void>();
  const failed = queue.run("a", async () => {
    seen.push("a1");
    await first.promise;
    throw new Error("no");
  });
  const second = queue.run("a", () => Promise.resolve(seen.push("a2")));
  const third = queue.run("a", () => Promise.resolve(seen.push("a3")));
  await queue.run("b", () => Promise.resolve(seen.push("b")));
  assertEquals(seen, ["a1", "b"]);
  first.resolve();
  await assertRejects(() => failed, Error, "no");
  assertEquals([await second, await third], [3, 4]);
  assertEquals(seen, ["a1", "b", "a2", "a3"]);
});
