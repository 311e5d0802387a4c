/** A hundred pods, one after the other: nothing stays, and the daemon doesn't grow. */
import { assert, assertEquals } from "@std/assert";
import { sleep, waitUntil } from "../support/command.ts";
import type { Daemon } from "../support/daemon.ts";
import { readLog, type Workbench } from "../support/pods.ts";
import { onSkiff } from "../support/runtime_under_test.ts";
import { suite } from "../support/suite.ts";

const { test } = suite({ images: [] });
const lives = 100;

async function life(bench: Workbench, number: number): Promise<void> {
  await bench.pull();
  const container = await bench.run({ command: ["/bin/sh", "-c", `echo life ${number}; exec sleep 3600`] });
  await waitUntil("its line is in the log", () => readLog(container.log).at(0)?.text === `life ${number}`);
  await bench.client.stopContainer({ containerId: container.id, timeout: 0n });
  await bench.client.removeContainer({ containerId: container.id });
  await bench.remove(container.sandbox.id);
  await bench.client.removeImage({ image: { image: bench.busybox } });
}

/** The lowest of a few looks: garbage that waits to be collected isn't growth. */
async function settledRss(daemon: Daemon): Promise<number> {
  let lowest = Infinity;
  for (let look = 0; look < 10; look++) {
    await sleep(300);
    lowest = Math.min(lowest, daemon.rss());
  }
  return lowest;
}

test(`A pod pulled, started, logged and removed ${lives} times leaves nothing and costs no memory`, async (bench) => {
  const watched = onSkiff ? [`${bench.node.dir}/skiff-state`, `${bench.node.root}/skiff`] : [];
  for (let number = 0; number < 10; number++) await life(bench, number);
  const before = await bench.node.snapshot(watched);
  const rss = await settledRss(bench.daemon);
  const began = Date.now();
  for (let number = 10; number < lives; number++) await life(bench, number);
  const each = (Date.now() - began) / (lives - 10);
  const grown = await settledRss(bench.daemon) - rss;
  console.log(
    `${each.toFixed(0)} ms a life, RSS ${rss.toFixed(1)} MB after 10, ${(rss + grown).toFixed(1)} MB after ${lives}`,
  );
  if (onSkiff) assertEquals(await bench.node.leftSince(before, watched), []);
  assert(grown < 10, `the daemon grew by ${grown.toFixed(1)} MB`);
});
