/**
 * A file of tests against one daemon in one test node. The daemon is started before the first test and stopped after
 * the last; what the tests left behind fails the suite.
 */
import type { Daemon } from "./daemon.ts";
import type { InstanceOptions } from "./instance.ts";
import { Instance } from "./instance.ts";
import { type NodeOptions, TestNode } from "./node.ts";
import { Workbench } from "./pods.ts";
import { makeDaemon, onSkiff } from "./runtime_under_test.ts";
import type { Snapshot } from "./leftovers.ts";

export interface SuiteOptions {
  node?: NodeOptions;
  /** A function prepares what the daemon needs, in the node, before it starts. */
  daemon?: InstanceOptions | ((node: TestNode) => Promise<InstanceOptions>);
  /** Makes the daemon, where it is another than the runtime under test as the test's own child. */
  make?: (node: TestNode) => Daemon;
  /** Images pulled before the first test; default: the one most tests run. */
  images?: string[];
}

/** Why a test only runs on our own binary: what the peer does otherwise. */
export interface TestOptions {
  skiffOnly?: string;
}

export interface Suite {
  /** The root of every test: it is in the name because nothing here works without. */
  test(name: string, body: (bench: Workbench) => Promise<void>, options?: TestOptions): void;
  readonly daemon: Daemon;
  readonly node: TestNode;
}

/** The cgroup that stands for the daemon's service, and, by design of the CNI plugins, their bridge and their own chains. */
export const stays = /^(cgroup: \S+\/skiff|link: skiff-test0|packet filter rule: .*)$/;

export function suite(options: SuiteOptions = {}): Suite {
  let node: TestNode | undefined;
  let daemon: Daemon | undefined;
  let before: Snapshot | undefined;
  const root = Deno.uid() === 0;

  Deno.test.beforeAll(async () => {
    if (!root) return;
    node = await TestNode.start(options.node);
    const settings = typeof options.daemon === "function" ? await options.daemon(node) : options.daemon;
    before = await node.snapshot();
    daemon = options.make?.(node) ?? makeDaemon(node, settings);
    await daemon.start();
    await using bench = new Workbench(daemon);
    for (const image of options.images ?? ["test/busybox:1"]) await bench.pull(node.image(image));
  });

  Deno.test.afterAll(async () => {
    if (!node) return;
    let left: string[] = [];
    try {
      await daemon?.stop();
      if (daemon instanceof Instance) left = (await node.leftSince(before!)).filter((line) => !stays.test(line));
    } finally {
      await node[Symbol.asyncDispose]();
    }
    if (left.length > 0) throw new Error(`left behind after the suite:\n  ${left.join("\n  ")}`);
  });

  return {
    test(name, body, { skiffOnly } = {}) {
      const peerDiffers = skiffOnly !== undefined && !onSkiff;
      Deno.test({
        name: `${name} (root)${peerDiffers ? ` [not on the peer: ${skiffOnly}]` : ""}`,
        ignore: !root || peerDiffers,
        // One connection serves the whole suite.
        sanitizeOps: false,
        sanitizeResources: false,
        fn: async () => {
          const mark = daemon!.log().length;
          let died: number | undefined;
          try {
            await using bench = new Workbench(daemon!);
            try {
              await body(bench);
            } finally {
              died = daemon!.died;
              // The next tests, and the removal of this one's pods, need it whatever happened.
              if (!daemon!.runs) await daemon!.start();
            }
            if (died !== undefined) throw new Error("a dead daemon cannot have passed");
          } catch (error) {
            if (died !== undefined) console.error(`the daemon ended by itself with ${died}`);
            if (error instanceof SuppressedError) console.error(error.suppressed, error.error);
            console.error(`the daemon's log during "${name}":\n${daemon!.log().slice(mark).slice(-4000)}`);
            throw error;
          }
        },
      });
    },
    get daemon() {
      return daemon!;
    },
    get node() {
      return node!;
    },
  };
}
