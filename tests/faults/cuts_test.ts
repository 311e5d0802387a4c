/** SIGKILL at random moments of the calls that make things: what was half made is gone after the restart. */
import { assert, assertEquals } from "@std/assert";
import { type Image, image, layer } from "../images/image.ts";
import { busyboxLayer, path } from "../images/busybox.ts";
import { sleep } from "../support/command.ts";
import type { Workbench } from "../support/pods.ts";
import { suite } from "../support/suite.ts";

const { test } = suite();
const cutsPerCall = 12;

/** Moments spread over the call's usual length and a bit beyond, in random order, the same for everybody. */
function moments(length: number): number[] {
  return Array.from({ length: cutsPerCall }, (_, number) => (number + Math.random()) * length * 1.15 / cutsPerCall);
}

const watched = (bench: Workbench) => [`${bench.node.dir}/skiff-state`, `${bench.node.root}/skiff`];

/** Everything there is now, without the store's own passing files. */
async function left(bench: Workbench, before: Awaited<ReturnType<Workbench["node"]["snapshot"]>>): Promise<string[]> {
  const passing = /(-wal|-shm|-journal|\.lock)$/;
  let lines: string[] = [];
  for (let round = 0; round < 25; round++) {
    lines = (await bench.node.leftSince(before, watched(bench))).filter((line) => !passing.test(line));
    if (lines.length === 0) break;
    await sleep(100);
  }
  return lines;
}

/** Starts a call, cuts it, and restarts the daemon. Returns true where the call had ended before. */
async function cut(bench: Workbench, call: () => Promise<unknown>, after: number): Promise<boolean> {
  let done = false;
  const running = call().then(() => done = true, () => undefined);
  await sleep(after);
  const finished = done;
  await bench.daemon.kill9();
  await running;
  await bench.daemon.start();
  return finished;
}

async function removeAll(bench: Workbench): Promise<number> {
  const { items } = await bench.client.listPodSandbox({});
  for (const { id } of items) await bench.remove(id);
  return items.length;
}

async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

test(`RunPodSandbox() cut at ${cutsPerCall} moments leaves nothing`, async (bench) => {
  const make = () => {
    const config = bench.sandboxConfig({ portMappings: [{ containerPort: 80, hostPort: 18_081 }] });
    Deno.mkdirSync(config.logDirectory, { recursive: true });
    return bench.client.runPodSandbox({ config });
  };
  await make();
  await removeAll(bench);
  const length = await timeOf(make);
  await removeAll(bench);
  const before = await bench.node.snapshot(watched(bench));
  let finished = 0;
  for (const after of moments(length)) {
    if (await cut(bench, make, after)) finished++;
    await removeAll(bench);
    assertEquals(await left(bench, before), [], `cut after ${after.toFixed(0)} of ${length.toFixed(0)} ms`);
  }
  console.log(`${cutsPerCall} cuts within ${length.toFixed(0)} ms, ${finished} after the end`);
  assert(finished < cutsPerCall, "no cut hit the call");
});

test(`CreateContainer() and StartContainer() cut at ${cutsPerCall} moments leave nothing, and the pod works`, async (bench) => {
  const sandbox = await bench.sandbox();
  let number = 0;
  const make = async () => {
    const container = await bench.create(sandbox, { metadata: { name: `c${++number}` } });
    await bench.client.startContainer({ containerId: container.id });
  };
  const removeContainers = async () => {
    for (const { id } of (await bench.client.listContainers({})).containers) {
      await bench.client.removeContainer({ containerId: id });
    }
  };
  await make();
  await removeContainers();
  const length = await timeOf(make);
  await removeContainers();
  const before = await bench.node.snapshot(watched(bench));
  for (const after of moments(length)) {
    await cut(bench, make, after);
    await removeContainers();
    assertEquals(await left(bench, before), [], `cut after ${after.toFixed(0)} of ${length.toFixed(0)} ms`);
  }
  const last = await bench.run({ metadata: { name: "last" } }, sandbox);
  assertEquals(await bench.sh(last, "echo works"), "works");
});

test(`PullImage() cut at ${cutsPerCall} moments leaves nothing, and the next pull succeeds`, async (bench) => {
  const name = bench.node.image("test/cut:1");
  await bench.node.registry.add("test/cut", "1", threeLayers());
  const pull = () => bench.pull(name);
  const removeImage = () => bench.client.removeImage({ image: { image: name } });
  await pull();
  await removeImage();
  const length = await timeOf(pull);
  await removeImage();
  const before = await bench.node.snapshot(watched(bench));
  for (const after of moments(length)) {
    await cut(bench, pull, after);
    await removeImage();
    assertEquals(await left(bench, before), [], `cut after ${after.toFixed(0)} of ${length.toFixed(0)} ms`);
  }
  await pull();
  const { lines } = await bench.runScript("md5sum /data-2 | cut -c1-8", { image: { image: name } });
  assertEquals(lines.length, 1);
});

test(`RemovePodSandbox() cut at ${cutsPerCall} moments leaves nothing once it is asked again`, async (bench) => {
  const make = async () => (await bench.run()).sandbox.id;
  const remove = async (podSandboxId: string) => {
    await bench.client.stopPodSandbox({ podSandboxId });
    await bench.client.removePodSandbox({ podSandboxId });
  };
  const first = await make();
  const length = await timeOf(() => remove(first));
  const before = await bench.node.snapshot(watched(bench));
  for (const after of moments(length)) {
    const id = await make();
    await cut(bench, () => remove(id), after);
    await bench.remove(id);
    assertEquals(await left(bench, before), [], `cut after ${after.toFixed(0)} of ${length.toFixed(0)} ms`);
  }
});

/** Layers of some megabytes, so that a pull has moments to be cut at. */
function threeLayers(): Image {
  const bytes = (seed: number) => {
    const data = new Uint8Array(4 << 20);
    for (let at = 0; at < data.length; at++) data[at] = (at * 2654435761 + seed * at) >>> 13;
    return data;
  };
  return image([
    layer(busyboxLayer()),
    layer([{ path: "data-1", data: bytes(1) }]),
    layer([{ path: "data-2", data: bytes(2) }]),
  ], { Env: [path], Cmd: ["sh"] });
}
