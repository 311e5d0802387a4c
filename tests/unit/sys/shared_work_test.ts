import { assertEquals, assertRejects } from "@std/assert";
import { SharedWork } from "../../../src/sys/mod.ts";

Deno.test("SharedWork: who asks while it runs shares the next run, and only that", async () => {
  const runs: PromiseWithResolvers<void>[] = [];
  const work = new SharedWork(() => {
    const run = Promise.withResolvers<void>();
    runs.push(run);
    return run.promise;
  });
  const first = work.run();
  const others = Promise.all([work.run(), work.run(), work.run()]);
  assertEquals(runs.length, 1);
  runs[0].reject(new Error("the disk"));
  await assertRejects(() => first, Error, "the disk");
  // What failed for the first says nothing of the second.
  while (runs.length < 2) await new Promise((resolve) => setTimeout(resolve, 0));
  let isIdle = false;
  const idle = work.idle().then(() => isIdle = true);
  runs[1].resolve();
  await others;
  await idle;
  assertEquals([runs.length, isIdle], [2, true]);
  const again = work.run();
  runs[2].resolve();
  await again;
});
