/** Version answers within milliseconds whatever the disk and the other calls do. */
import { assert, assertEquals } from "@std/assert";
import { benchImage } from "../images/cache.ts";
import { run, sleep } from "../support/command.ts";
import { Instance } from "../support/instance.ts";
import { TestNode } from "../support/node.ts";
import { Workbench } from "../support/pods.ts";
import { rootTest } from "../support/root_test.ts";
import { makeDaemon, onSkiff } from "../support/runtime_under_test.ts";
import { type Percentiles, startProbe } from "../support/version_probe.ts";

const limit = 10;

/** The compiled binary behind a filter that makes every fsync take `milliseconds`. */
class OnSlowDisk extends Instance {
  constructor(node: TestNode, readonly shim: string, readonly milliseconds: number) {
    super(node);
  }
  protected override command() {
    const { program, args, env } = super.command();
    return { program: this.shim, args: [String(this.milliseconds), program, ...args], env };
  }
}

async function tenLives(bench: Workbench): Promise<void> {
  const containers = await tenPods(bench);
  for (const { sandbox } of containers) await bench.remove(sandbox.id);
}

/**
 * The machine may be busy with other things: an idle daemon beside it, asked in turn, shows how long any answer takes
 * here and now. Where that one needs long itself, twice its time counts instead of the limit.
 */
function judge(what: string, [loaded, idle]: Percentiles[]): void {
  const words = ({ calls, p50, p99, max }: Percentiles) =>
    `${calls} calls, p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, max ${max.toFixed(1)} ms`;
  console.log(`${what}: ${words(loaded)}\n${idle ? `  an idle daemon beside it: ${words(idle)}` : ""}`);
  assertEquals(loaded.failures, 0);
  assert(loaded.calls > 100, `only ${loaded.calls} calls`);
  assert(loaded.p99 < Math.max(limit, 2 * (idle?.p99 ?? 0)), `p99 is ${loaded.p99.toFixed(2)} ms`);
}

async function idleDaemon(node: TestNode): Promise<Instance> {
  const daemon = new Instance(node, { title: "idle" });
  await daemon.start();
  return daemon;
}

rootTest("Version()'s p99 on a disk whose fsync takes 200 ms", async () => {
  await using node = await TestNode.start();
  const shim = `${node.dir}/fsync_delay`;
  await run("gcc", ["-O2", "-o", shim, new URL("fsync_delay.c", import.meta.url).pathname]);
  await using daemon = new OnSlowDisk(node, shim, 200);
  await daemon.start();
  await using bench = new Workbench(daemon);
  await using idle = await idleDaemon(node);
  const probe = await startProbe(node.dir, [daemon.socket, idle.socket]);
  const began = Date.now();
  await bench.pull();
  assert(Date.now() - began > 200, "a pull without a single fsync: is the filter in force?");
  for (let round = 0; round < 3; round++) {
    await tenLives(bench);
    await bench.client.removeImage({ image: { image: bench.busybox } });
    await bench.pull();
  }
  judge("fsync of 200 ms", await probe.stop());
}, !onSkiff);

/** Pulls 300 MB while `work` goes on, once or until the pull is over, on a daemon that has started pods before. */
async function whilePulling(what: string, work: (bench: Workbench) => Promise<unknown>, again: boolean): Promise<void> {
  await using node = await TestNode.start();
  await node.registry.add("bench/gzip", "1", await benchImage("gzip"));
  await using daemon = makeDaemon(node);
  await daemon.start();
  await using bench = new Workbench(daemon);
  await bench.pull();
  await tenLives(bench);
  await sleep(500);
  await using idle = onSkiff ? await idleDaemon(node) : undefined;
  const probe = await startProbe(node.dir, [daemon.socket, ...(idle ? [idle.socket] : [])]);
  let pulling = true;
  const pulled = bench.pull(node.image("bench/gzip:1")).finally(() => pulling = false);
  do await work(bench); while (again && pulling);
  assert(again || pulling, "the image was here before the pods: nothing was measured");
  await pulled;
  const result = await probe.stop();
  await sleep(2_000);
  judge(what, result);
}

const tenPods = (bench: Workbench) => Promise.all(Array.from({ length: 10 }, () => bench.run()));

rootTest("Version()'s p99 while a 300 MB image pulls and ten pods start", async () => {
  await whilePulling("a pull of 300 MB and ten pods that start", tenPods, false);
});

rootTest("Version()'s p99 while a 300 MB image pulls and ten pods at once come and go", async () => {
  await whilePulling("a pull of 300 MB and ten pods that come and go", tenLives, true);
});
