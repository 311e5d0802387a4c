import { assert, assertEquals } from "@std/assert";
import { Signal } from "../../proto/gen/runtime/v1/api.ts";
import { sleep } from "../support/command.ts";
import { readLog } from "../support/pods.ts";
import { suite } from "../support/suite.ts";

const { test } = suite({ images: ["test/busybox:1", "test/configured:1"] });

const deaf = ["/bin/sh", "-c", "trap '' TERM; while :; do sleep 0.2; done"];
/** Ends with 42 on one signal only. */
const waitsFor = (
  signal: string,
) => ["/bin/sh", "-c", `trap 'echo got ${signal}; exit 42' ${signal}; while :; do sleep 0.1; done`];

async function seconds(work: Promise<unknown>): Promise<number> {
  const began = Date.now();
  await work;
  return (Date.now() - began) / 1000;
}

test("StopContainer() sends SIGTERM and waits for the container's own exit code", async (bench) => {
  const container = await bench.run({ command: waitsFor("TERM") });
  await sleep(300);
  const took = await seconds(bench.client.stopContainer({ containerId: container.id, timeout: 20n }));
  const status = await bench.status(container.id);
  assertEquals([status.state, status.exitCode], [2, 42]);
  assert(took < 10, `took ${took} s`);
  assertEquals(readLog(container.log).map((line) => line.text), ["got TERM"]);
});

test("StopContainer() sends SIGKILL when the timeout has passed", async (bench) => {
  const container = await bench.run({ command: deaf });
  await sleep(300);
  const took = await seconds(bench.client.stopContainer({ containerId: container.id, timeout: 1n }));
  assertEquals((await bench.status(container.id)).exitCode, 137);
  assert(took >= 0.9 && took < 6, `took ${took} s`);
});

test("StopContainer() with timeout 0 kills at once", async (bench) => {
  const container = await bench.run({ command: deaf });
  const took = await seconds(bench.client.stopContainer({ containerId: container.id, timeout: 0n }));
  assertEquals((await bench.status(container.id)).exitCode, 137);
  assert(took < 5, `took ${took} s`);
});

test("StopContainer() uses the image's stop signal, and the request's before it", async (bench) => {
  const image = { image: bench.node.image("test/configured:1") };
  const byImage = await bench.run({ image, command: waitsFor("USR1") });
  const byRequest = await bench.run({
    metadata: { name: "second" },
    image,
    command: waitsFor("USR2"),
    stopSignal: Signal.SIGNAL_SIGUSR2,
  }, byImage.sandbox);
  await sleep(300);
  assertEquals((await bench.status(byImage.id)).stopSignal, Signal.SIGNAL_SIGUSR1);
  assertEquals((await bench.status(byRequest.id)).stopSignal, Signal.SIGNAL_SIGUSR2);
  for (const { id } of [byImage, byRequest]) {
    await bench.client.stopContainer({ containerId: id, timeout: 10n });
    assertEquals((await bench.status(id)).exitCode, 42);
  }
});

test("StopContainer() again with a shorter timeout cuts the one that waits", async (bench) => {
  const container = await bench.run({ command: deaf });
  await sleep(300);
  const first = bench.client.stopContainer({ containerId: container.id, timeout: 600n });
  await sleep(300);
  const took = await seconds(bench.client.stopContainer({ containerId: container.id, timeout: 1n }));
  await first;
  assert(took < 8, `took ${took} s`);
  assertEquals((await bench.status(container.id)).exitCode, 137);
});

test("StopContainer() again with a longer timeout doesn't lengthen the one that waits", async (bench) => {
  const container = await bench.run({ command: deaf });
  await sleep(300);
  const first = seconds(bench.client.stopContainer({ containerId: container.id, timeout: 1n }));
  const second = bench.client.stopContainer({ containerId: container.id, timeout: 600n }, { timeout: 20_000 });
  await Promise.all([first, second]);
  assert(await first < 8, `took ${await first} s`);
}, { skiffOnly: "the longer one goes on waiting" });

test("StopContainer() of a container that has exited or was never started is fine", async (bench) => {
  const { container } = await bench.runScript("exit 5");
  await bench.client.stopContainer({ containerId: container.id, timeout: 1n });
  assertEquals((await bench.status(container.id)).exitCode, 5);
  const created = await bench.create(container.sandbox, { metadata: { name: "created" } });
  await bench.client.stopContainer({ containerId: created.id, timeout: 1n });
});

test("StopContainer() doesn't hold up another container's calls", async (bench) => {
  const first = await bench.run({ command: deaf });
  const second = await bench.run({ metadata: { name: "second" } }, first.sandbox);
  await sleep(200);
  const stopping = bench.client.stopContainer({ containerId: first.id, timeout: 3n });
  const took = await seconds((async () => {
    await bench.client.stopContainer({ containerId: second.id, timeout: 0n });
    await bench.client.removeContainer({ containerId: second.id });
  })());
  assert(took < 2.5, `took ${took} s`);
  await stopping;
});

test("StopContainer() of a container that stops its own processes ends it all the same", async (bench) => {
  const container = await bench.run({
    command: ["/bin/sh", "-c", "sleep 3600 & kill -STOP $!; trap '' TERM; while :; do sleep 0.2; done"],
  });
  await sleep(200);
  await bench.client.stopContainer({ containerId: container.id, timeout: 0n });
  assertEquals((await bench.status(container.id)).exitCode, 137);
});
