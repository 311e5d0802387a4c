/**
 * SIGKILL at random moments of pulls and removals, and power cuts of the disk that the store is on: what was reported
 * complete is intact, what was removed stays so, what was half done is gone or begun anew.
 *
 * SKIFF_TEST_KILLS and SKIFF_TEST_POWER_CUTS say how many (200 and 30, half of these on each file system),
 * SKIFF_TEST_SEED repeats a run.
 */
import { assert } from "@std/assert";
import { sleep } from "../support/command.ts";
import { Instance } from "../support/instance.ts";
import { TestNode } from "../support/node.ts";
import { Disk } from "./disk.ts";
import { ImageWalk } from "./image_store.ts";

const kills = Number(Deno.env.get("SKIFF_TEST_KILLS") ?? 200);
const powerCuts = Number(Deno.env.get("SKIFF_TEST_POWER_CUTS") ?? 30);
const seed = Number(Deno.env.get("SKIFF_TEST_SEED") ?? Date.now() % 1_000_000);

/** Milliseconds from the start of the process to its first answer. */
const START_LIMIT = 2_000;
/** Later pulls are this much shorter than the first ones, which were measured. */
const WARM = 0.6;

function generator(state: number): () => number {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A start over the limit is measured against one with nothing to mend: the machine may be busy with other things. */
async function startInTime(daemon: Instance, after: string): Promise<number> {
  const time = await daemon.start();
  if (time < START_LIMIT) return time;
  await daemon.stop();
  const usual = await daemon.start();
  assert(time < 2 * usual, `${after}, the daemon needed ${time.toFixed(0)} ms, and ${usual.toFixed(0)} ms without`);
  return time;
}

function test(name: string, body: (random: () => number) => Promise<void>): void {
  Deno.test({
    name: `${name} (root)`,
    ignore: Deno.uid() !== 0,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      console.log(`SKIFF_TEST_SEED=${seed}`);
      await body(generator(seed));
    },
  });
}

const report = (what: string, times: number[], within: number) =>
  console.log(
    `${what}: ${times.length}, ${within} of them while something ran; starts took ${
      times.toSorted((a, b) => a - b)[times.length >> 1].toFixed(0)
    } ms at the median, ${Math.max(...times).toFixed(0)} ms at most`,
  );

test(`${kills} kill -9 at random moments of pulls and removals`, async (random) => {
  await using node = await TestNode.start();
  await using daemon = new Instance(node);
  await daemon.start();
  const walk = new ImageWalk(node, daemon, daemon.root, random);
  const length = await walk.prepare();
  const times: number[] = [];
  let within = 0;
  for (let count = 0; count < kills; count++) {
    const { settled, share } = walk.start();
    let running = true;
    settled.then(() => running = false);
    await sleep(random() * length * share * WARM);
    if (running) within++;
    const frozen = walk.freeze();
    if (random() < 0.5) await daemon.kill9();
    else await daemon.killCgroup();
    await settled;
    times.push(await startInTime(daemon, `after kill ${count + 1}`));
    await walk.inspect(frozen);
  }
  await walk.end();
  report("kill -9", times, within);
  assert(within >= Math.floor(kills / 4), "hardly any kill hit something that ran");
});

for (const kind of ["ext4", "xfs"] as const) {
  const cuts = Math.ceil(powerCuts / 2);
  test(`${cuts} power cuts of ${kind} at random moments of pulls and removals`, async (random) => {
    await using node = await TestNode.start();
    await using disk = await Disk.make(node, kind);
    const root = `${disk.mountPoint}/skiff`;
    await using daemon = new Instance(node, { config: { root } });
    await daemon.start();
    const walk = new ImageWalk(node, daemon, root, random);
    const length = await walk.prepare();
    const times: number[] = [];
    let within = 0;
    for (let count = 0; count < cuts; count++) {
      const { settled, share } = walk.start();
      let running = true;
      settled.then(() => running = false);
      await sleep(random() * length * share * WARM);
      if (running) within++;
      const frozen = walk.freezeForPowerCut();
      await disk.cut();
      await daemon.killCgroup();
      await settled;
      // What is in memory goes with the power, too.
      await disk.forget(daemon.state);
      await disk.again();
      times.push(await startInTime(daemon, `after cut ${count + 1}`));
      await walk.inspect(frozen);
    }
    await walk.end();
    report(`power cuts of ${kind}`, times, within);
    assert(within >= Math.floor(cuts / 4), "hardly any cut hit something that ran");
    await daemon.stop();
  });
}
