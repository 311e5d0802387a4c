/**
 * Good and hostile layers, and images of several, pulled by the compiled binary, by the same on a kernel without EROFS, and
 * by containerd beside it: the mounted roots show the same, or the corpus says why not; what is refused is refused for the
 * reason that the corpus names.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { tryRun } from "../support/command.ts";
import { Instance } from "../support/instance.ts";
import { TestNode } from "../support/node.ts";
import { Peer } from "../support/peer.ts";
import { Workbench } from "../support/pods.ts";
import { exists, tools } from "../support/tools.ts";
import { rootTest } from "../support/root_test.ts";
import type { Case } from "./corpus.ts";
import { goodLayers } from "./good_layers.ts";
import { hostileLayers, limits } from "./hostile_layers.ts";
import { layeredImages } from "./layered_images.ts";
import { buildShim, OldKernel } from "./old_kernel.ts";
import { differences, type Tree, TreeReader } from "./trees.ts";

const root = Deno.uid() === 0;
/** Every node has another one: the corpus is told when it is there. */
const placeholder = "/var/lib/skiff/skiff-t-layers/outside";

/** What came of a case. */
interface Outcome {
  failure?: string;
  ours?: Tree;
  /** On a kernel without EROFS. */
  folders?: Shown;
  theirs?: Tree;
  refusal?: string;
}

/** What one daemon made of a case. */
interface Shown {
  failure?: string;
  tree?: Tree;
}

/** Both runtimes in one node, and all that they made of the corpus. */
class World implements AsyncDisposable {
  #stack = new AsyncDisposableStack();
  readonly outcomes = new Map<Case, Outcome>();
  readonly cases: { key: string; one: Case }[] = [];
  readonly daemon: Instance;
  readonly onOldKernel: OldKernel;
  outsideDiffers: string[] = [];

  private constructor(readonly node: TestNode) {
    this.#stack.use(node);
    const config = { images: { limits } };
    this.daemon = new Instance(node, { config });
    this.onOldKernel = new OldKernel(node, "e", { config, title: "folders" });
  }

  static async start(): Promise<World> {
    const node = await TestNode.start();
    const world = new World(node);
    try {
      await buildShim(node);
      await world.#gather();
    } catch (error) {
      await world[Symbol.asyncDispose]();
      throw error;
    }
    return world;
  }

  async #gather(): Promise<void> {
    const { node } = this;
    const outside = `${node.root}/outside`;
    await Deno.mkdir(`${outside}/folder`, { recursive: true });
    for (const name of ["victim", "folder/file"]) await Deno.writeTextFile(`${outside}/${name}`, "untouched");
    const reader = await TreeReader.build(node);
    const before = await reader.read(outside);
    for (const [kind, cases] of [goodLayers, hostileLayers(outside), layeredImages].entries()) {
      for (const one of cases) {
        const key = `corpus/${kind}-${one.name}`.toLowerCase();
        this.cases.push({ key, one });
        this.outcomes.set(one, {});
        await node.registry.add(key, "1", one.image);
      }
    }
    for (const [one, { failure, tree }] of await this.#shownBy(this.daemon, reader)) {
      Object.assign(this.outcomes.get(one)!, { failure, ours: tree });
    }
    for (const [one, folders] of await this.#shownBy(this.onOldKernel, reader)) {
      this.outcomes.get(one)!.folders = folders;
    }
    if (exists(tools.containerd)) await this.#pullThere(reader);
    this.outsideDiffers = differences(await reader.read(outside), before).map(({ at, values }) => `${at}: ${values}`);
  }

  /** Pulls all of the corpus, and reads the merged root of each image, as a volume of one container shows it. */
  async #shownBy(daemon: Instance, reader: TreeReader): Promise<Map<Case, Shown>> {
    this.#stack.use(daemon);
    await daemon.start();
    const bench = this.#stack.use(new Workbench(daemon));
    await bench.pull();
    const shown = new Map<Case, Shown>(this.cases.map(({ one }) => [one, {}]));
    await this.#each(async ({ key, one }) => {
      await bench.pull(this.node.image(`${key}:1`)).catch((error: Error) => shown.get(one)!.failure = error.message);
    });
    const pulled = this.cases.filter(({ one }) => shown.get(one)!.failure === undefined);
    const mounts = pulled.map(({ key }) => ({
      containerPath: `/${key}`,
      readonly: true,
      image: { image: this.node.image(`${key}:1`) },
    }));
    const container = await bench.create(await bench.sandbox(), { mounts });
    const rootfs = `${daemon.state}/rootfs`;
    const volumes = (await this.node.holder.run("ls", rootfs)).split("\n")
      .filter((name) => name.startsWith(`${container.id}.`))
      .sort((a, b) => Number(a.split(".")[1]) - Number(b.split(".")[1]));
    assertEquals(volumes.length, pulled.length);
    for (const [index, { one }] of pulled.entries()) {
      shown.get(one)!.tree = await reader.read(`${rootfs}/${volumes[index]}`);
    }
    return shown;
  }

  /** The same on containerd: a snapshot above the layers, as a container has it. */
  async #pullThere(reader: TreeReader): Promise<void> {
    const peer = this.#stack.use(new Peer(this.node));
    await peer.start();
    const ctr = (...args: string[]) =>
      this.node.holder.run(`${tools.containerdBin}/ctr`, "-a", peer.socket, "-n", "k8s.io", "images", ...args);
    await this.#each(async ({ key, one }) => {
      if (one.notOnPeer !== undefined) return;
      const outcome = this.outcomes.get(one)!;
      const reference = this.node.image(`${key}:1`);
      try {
        await peer.client.pullImage({ image: { image: reference } });
      } catch (error) {
        outcome.refusal = (error as Error).message;
        return;
      }
      if (outcome.ours === undefined) return;
      const target = `${this.node.dir}/theirs/${key}`;
      await Deno.mkdir(target, { recursive: true });
      await ctr("mount", "--rw", reference, target);
      outcome.theirs = await reader.read(target);
      await ctr("unmount", "--rm", target);
    });
  }

  /** A few at a time. */
  async #each(work: (each: { key: string; one: Case }) => Promise<void>): Promise<void> {
    const left = this.cases.values();
    await Promise.all(Array.from({ length: 4 }, async () => {
      for (const each of left) await work(each);
    }));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

let world: World | undefined;
Deno.test.beforeAll(async () => {
  if (root) world = await World.start();
});
Deno.test.afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
});

function test(name: string, body: (world: World) => Promise<void>): void {
  rootTest(name, () => body(world!));
}

/** The container's own root is new with each container on containerd. */
const rootTime = /^\. mtime$/;

function judge(one: Case, { failure, ours, folders, theirs, refusal }: Outcome): void {
  if (one.refused) {
    assertMatch(failure ?? "it was pulled", one.refused);
    assertMatch(folders?.failure ?? "it was pulled for a folder", one.refused);
    return;
  }
  assertEquals([failure, folders?.failure], [undefined, undefined]);
  if (!ours || !folders?.tree) throw new Error("it was not mounted");
  // An EROFS image and a folder agree on everything.
  assertEquals(differences(folders.tree, ours), []);
  for (const [at, value] of Object.entries(one.shows ?? {})) {
    const field = at.lastIndexOf(" ");
    assertEquals(ours.get(at.slice(0, field))?.get(at.slice(field + 1)), value, at);
  }
  if (!exists(tools.containerd) || one.notOnPeer !== undefined) return;
  if (refusal !== undefined) {
    assert(one.peerRefuses !== undefined, `containerd refuses it: ${refusal}`);
    return;
  }
  assertEquals(one.peerRefuses, undefined, "containerd takes it after all");
  if (!theirs) throw new Error("it was not mounted on containerd");
  const found = differences(ours, theirs).filter(({ at }) => !rootTime.test(at));
  const allowed = one.differs ?? [];
  const unexplained = found.filter(({ at }) => !allowed.some((each) => each.at.test(at)));
  assertEquals(unexplained.map(({ at, values }) => `${at}: ${values}`), []);
  for (const each of allowed) {
    assert(found.some(({ at }) => each.at.test(at)), `nothing differs at ${each.at} any more`);
  }
}

const lists: [string, Case[]][] = [
  ["layer", goodLayers],
  ["hostile layer", hostileLayers(placeholder)],
  ["image", layeredImages],
];
for (const [what, cases] of lists) {
  for (const { name, says } of cases) {
    test(`${what} ${name}: ${says}`, async ({ cases, outcomes }) => {
      const { one } = cases.find(({ one }) => one.name === name && one.says === says)!;
      judge(one, outcomes.get(one)!);
    });
  }
}

test("no layer reached anything outside its own tree, and what was refused left nothing", async (world) => {
  assertEquals(world.outsideDiffers, []);
  for (const { root, state } of [world.daemon, world.onOldKernel]) {
    for (const folder of ["", "/etc", "/tmp", world.node.root, root, `${root}/layers`, `${root}/unpacked`, state]) {
      assert(!exists(`${folder}/planted`), `${folder}/planted is there`);
    }
    for (const folder of ["staging", "unpacking"]) assertEquals([...Deno.readDirSync(`${root}/${folder}`)], []);
  }
  assertEquals([(await world.onOldKernel.storage()).layers, world.onOldKernel.runs], ["folder", true]);
});

test("skiff check --deep finds the one folder of all these that was changed", async ({ onOldKernel: { socket, root } }) => {
  const { name } = [...Deno.readDirSync(`${root}/unpacked`)].find(({ name }) => !name.startsWith("chain-"))!;
  const folder = `${root}/unpacked/${name}`;
  const { mode } = Deno.statSync(folder);
  await Deno.chmod(folder, mode! & 0o7777 ^ 0o001);
  const { code, stdout } = await tryRun(tools.skiff, ["check", "--deep"], { env: { SKIFF_SOCKET: socket } });
  await Deno.chmod(folder, mode! & 0o7777);
  assertEquals(code, 1);
  assertMatch(stdout, /: 1 problems$/m);
  assertStringIncludes(stdout, `folder ${folder}: it is not as its layer: "/" has another mode; to do: containers are`);
});

Deno.test("the corpus has at least 60 layers and 10 images, each by a name of its own", () => {
  assert(goodLayers.length + hostileLayers(placeholder).length >= 60);
  assert(layeredImages.length >= 10);
  for (const [, cases] of lists) assertEquals(new Set(cases.map(({ name }) => name)).size, cases.length);
});
