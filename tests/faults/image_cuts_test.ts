/**
 * SIGKILL at random moments of pulls and removals, and power cuts of the disk that the store is on: what was reported
 * complete is intact, what was removed stays so, what was half done is gone or begun anew. A tenth of them on a kernel
 * without EROFS, where folders are made, too.
 *
 * SKIFF_TEST_KILLS and SKIFF_TEST_POWER_CUTS say how many (200 and 30, half of these on each file system),
 * SKIFF_TEST_SEED repeats a run.
 */
import { assert } from "@std/assert";
import { buildShim, OldKernel } from "../layers/old_kernel.ts";
import { sleep } from "../support/command.ts";
import { Instance, type InstanceOptions } from "../support/instance.ts";
import { TestNode } from "../support/node.ts";
import { seeded } from "../support/random.ts";
import { rootTest } from "../support/root_test.ts";
import { Disk } from "./disk.ts";
import { type Frozen, ImageWalk } from "./image_store.ts";

const kills = Number(Deno.env.get("SKIFF_TEST_KILLS") ?? 200);
const powerCuts = Number(Deno.env.get("SKIFF_TEST_POWER_CUTS") ?? 30);
const seed = Number(Deno.env.get("SKIFF_TEST_SEED") ?? Date.now() % 1_000_000);

/** Milliseconds from the start of the process to its first answer. */
const START_LIMIT = 2_000;
/** Later pulls are this much shorter than the first ones, which were measured. */
const WARM = 0.6;

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
  rootTest(name, async () => {
    console.log(`SKIFF_TEST_SEED=${seed}`);
    await body(seeded(seed));
  });
}

/** What layers are, with or without EROFS. */
const forms = ["file", "folder"] as const;
const portions = { file: 1, folder: 0.1 };

async function daemonOf(node: TestNode, form: typeof forms[number], options?: InstanceOptions): Promise<Instance> {
  if (form === "file") return new Instance(node, options);
  await buildShim(node);
  return new OldKernel(node, "e", options);
}

interface Walked {
  walk: ImageWalk;
  daemon: Instance;
  random: () => number;
  /** How often. */
  count: number;
  what: string;
}

/**
 * Cuts at random moments of pulls and removals, and looks at what is there after the next start. `cut` gets a promise that
 * settles with what ran, and returns what must hold whatever happens from the cut on. Returns how many of them left a folder
 * half made.
 */
async function cutAgainAndAgain(
  { walk, daemon, random, count, what }: Walked,
  cut: (settled: Promise<unknown>) => Promise<Frozen>,
): Promise<number> {
  const length = await walk.prepare();
  const times: number[] = [];
  let [within, halfMade] = [0, 0];
  for (let number = 1; number <= count; number++) {
    const { settled, share } = walk.start();
    let running = true;
    settled.then(() => running = false);
    await sleep(random() * length * share * WARM);
    if (running) within++;
    const frozen = await cut(settled);
    if (walk.hasHalfAFolder()) halfMade++;
    times.push(await startInTime(daemon, `after ${what} ${number}`));
    await walk.inspect(frozen);
  }
  await walk.end();
  console.log(
    `${what}: ${times.length}, ${within} of them while something ran; starts took ${
      times.toSorted((a, b) => a - b)[times.length >> 1].toFixed(0)
    } ms at the median, ${Math.max(...times).toFixed(0)} ms at most${
      walk.form === "folder" ? `; ${halfMade} left a folder half made` : ""
    }`,
  );
  assert(within >= Math.floor(count / 4), `hardly any ${what} hit something that ran`);
  return halfMade;
}

for (const form of forms) {
  const count = Math.ceil(kills * portions[form]);
  test(`${count} kill -9 at random moments of pulls and removals, each layer a ${form}`, async (random) => {
    await using node = await TestNode.start();
    await using daemon = await daemonOf(node, form);
    await daemon.start();
    const walk = new ImageWalk(node, daemon, daemon.root, random, form);
    const what = `kill -9, each layer a ${form}`;
    const halfMade = await cutAgainAndAgain({ walk, daemon, random, count, what }, async (settled) => {
      const frozen = walk.freeze();
      if (random() < 0.5) await daemon.kill9();
      else await daemon.killCgroup();
      await settled;
      return frozen;
    });
    assert(form === "file" || halfMade >= Math.floor(count / 10), "hardly any kill hit a folder that was being made");
  });
}

for (const kind of ["ext4", "xfs"] as const) {
  for (const form of forms) {
    const count = Math.ceil(powerCuts / 2 * portions[form]);
    test(`${count} power cuts of ${kind} at random moments of pulls and removals, each layer a ${form}`, async (random) => {
      await using node = await TestNode.start();
      await using disk = await Disk.make(node, kind);
      const root = `${disk.mountPoint}/skiff`;
      await using daemon = await daemonOf(node, form, { config: { root } });
      await daemon.start();
      const walk = new ImageWalk(node, daemon, root, random, form);
      const what = `power cut of ${kind}, each layer a ${form}`;
      await cutAgainAndAgain({ walk, daemon, random, count, what }, async (settled) => {
        const frozen = walk.freezeForPowerCut();
        await disk.cut();
        await daemon.killCgroup();
        await settled;
        // What is in memory goes with the power, too.
        await disk.forget(daemon.state);
        await disk.again();
        return frozen;
      });
      await daemon.stop();
    });
  }
}
