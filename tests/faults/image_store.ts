/** Images that share layers, pulled and removed at once while somebody cuts; and the look at what is there afterwards. */
import { assert, assertEquals } from "@std/assert";
import { digestOf, type Image, image } from "../images/image.ts";
import { layerOf } from "../layers/corpus.ts";
import { random as randomBytes } from "../layers/pieces.ts";
import { differences, type Tree, TreeReader } from "../layers/trees.ts";
import type { Instance } from "../support/instance.ts";
import type { TestNode } from "../support/node.ts";
import { file, tar } from "../unit/images/tar_builder.ts";

const megabyte = 1 << 20;
/** A removal takes so much of the time of a pull. */
const REMOVAL = 0.05;
/** Where the tar starts in a layer's file: behind the superblock. */
const TAR_START = 4096;

function content(name: string, files: number, bytes: number, seed: number): Uint8Array {
  return tar(Array.from({ length: files }, (_, index) => file(`${name}/${index}`, randomBytes(bytes, seed + index))));
}

const tars = {
  base: content("base", 3, megabyte, 10),
  small: content("small", 1500, 700, 1000),
  large: content("large", 1, 4 * megabyte, 20),
  other: content("other", 20, 100_000, 30),
  last: content("last", 2, megabyte, 40),
};
const layers = Object.fromEntries(
  Object.entries(tars).map(([name, bytes]) => [name, layerOf(bytes, name === "other" ? "zstd" : "gzip")]),
);

/** Name and image. */
const images: Record<string, Image> = {
  a: image([layers.base, layers.small, layers.large], {}),
  b: image([layers.base, layers.other], {}),
  c: image([layers.last, layers.small], {}),
};
const diffIdsOf = (name: string) => images[name].layers.map(({ diffId }) => diffId);

/** What is known for sure: an answer came before the cut. */
type Known = "there" | "gone" | "either";

/** What was known of each image at one moment. */
export type Frozen = ReadonlyMap<string, Known>;

/** A random walk over what is pulled and what is removed. */
export class ImageWalk {
  readonly #known = new Map<string, Known>();
  readonly #trees = new Map<string, Tree>();
  #reader!: TreeReader;

  /** @param root of the daemon's store. @param random a number from 0 to 1. @param form of layers, on this kernel. */
  constructor(
    readonly node: TestNode,
    readonly daemon: Instance,
    readonly root: string,
    readonly random: () => number,
    readonly form: "file" | "folder" = "file",
  ) {}

  /** Pulls everything once, uncut, so that it is known how the layers read. Returns how long a pull takes. */
  async prepare(): Promise<number> {
    this.#reader = await TreeReader.build(this.node);
    for (const [name, one] of Object.entries(images)) await this.node.registry.add(`cut/${name}`, "1", one);
    const began = performance.now();
    for (const name of Object.keys(images)) await this.#pull(name);
    const each = (performance.now() - began) / Object.keys(images).length;
    for (const name of Object.keys(images)) {
      for (const diffId of diffIdsOf(name)) {
        await this.#assertDigest(diffId);
        this.#trees.set(diffId, await this.#read(diffId));
      }
    }
    return each;
  }

  /** Starts pulls and removals; each of them may be cut at any time from now on. `share`: how long they take, of a pull. */
  start(): { settled: Promise<unknown>; share: number } {
    const names = Object.keys(images).filter(() => this.random() < 0.7);
    const pulls = names.some((name) => this.#known.get(name) !== "there");
    const running = (names.length > 0 ? names : ["a"]).map(async (name) => {
      const wasThere = this.#known.get(name) === "there";
      this.#known.set(name, "either");
      try {
        await (wasThere ? this.#remove(name) : this.#pull(name));
      } catch {
        // It was cut: the look afterwards decides.
      }
    });
    return { settled: Promise.all(running), share: pulls ? 1 : REMOVAL };
  }

  /** What was answered until now must hold; what is answered from now on may not. */
  freeze(): Frozen {
    return new Map(this.#known);
  }

  /** The same for a power cut: that an image is gone is not promised before the disk knows. */
  freezeForPowerCut(): Frozen {
    return new Map([...this.#known].map(([name, known]) => [name, known === "gone" ? "either" : known]));
  }

  /** Before the next start. */
  hasHalfAFolder(): boolean {
    return this.#namesIn("unpacking").length > 0;
  }

  /** Reads every file of every image that the daemon reports, and looks for what belongs to none. */
  async inspect(frozen: Frozen): Promise<void> {
    const listed = new Set<string>();
    for (const { repoTags } of (await this.daemon.client.listImages({})).images) {
      for (const tag of repoTags) {
        const name = /\/cut\/(\w+):1$/.exec(tag)?.[1];
        if (name) listed.add(name);
      }
    }
    for (const name of Object.keys(images)) {
      const known = frozen.get(name);
      if (known === "there") assert(listed.has(name), `the image ${name} was complete and is gone`);
      if (known === "gone") assert(!listed.has(name), `the image ${name} was removed and is back`);
      this.#known.set(name, listed.has(name) ? "there" : "gone");
    }
    for (const diffId of new Set([...listed].flatMap(diffIdsOf))) {
      assertEquals(differences(await this.#read(diffId), this.#trees.get(diffId)!), [], `the layer ${diffId}`);
    }
    for (const folder of ["staging", "unpacking"]) assertEquals(this.#namesIn(folder), []);
    if (this.form === "file") return;
    const whole = [...frozen].filter(([, known]) => known === "there").flatMap(([name]) => diffIdsOf(name));
    const folders = this.#namesIn("unpacked");
    for (const diffId of new Set([...listed].flatMap(diffIdsOf))) {
      const name = diffId.slice("sha256:".length);
      // With the image it was promised that all is there; of any other, what is there is whole.
      if (!folders.includes(name)) assert(!whole.includes(diffId), `the folder of the layer ${diffId} is gone`);
      else {
        const tree = await this.#reader.read(`${this.root}/unpacked/${name}`);
        assertEquals(differences(tree, this.#trees.get(diffId)!), [], `the folder of the layer ${diffId}`);
      }
    }
  }

  /** Everything can be pulled and read in the end, and nothing is left when it is removed. */
  async end(): Promise<void> {
    for (const name of Object.keys(images)) await this.#pull(name);
    await this.inspect(this.freeze());
    for (const diffId of this.#trees.keys()) await this.#assertDigest(diffId);
    for (const name of Object.keys(images)) await this.#remove(name);
    for (const folder of ["layers", "unpacked"]) assertEquals(this.#namesIn(folder), []);
  }

  async #pull(name: string): Promise<void> {
    await this.daemon.client.pullImage({ image: { image: this.node.image(`cut/${name}:1`) } });
    this.#known.set(name, "there");
  }

  async #remove(name: string): Promise<void> {
    await this.daemon.client.removeImage({ image: { image: this.node.image(`cut/${name}:1`) } });
    this.#known.set(name, "gone");
  }

  /** Through a mount of its own. */
  async #read(diffId: string): Promise<Tree> {
    const target = `${this.node.dir}/look`;
    await Deno.mkdir(target, { recursive: true });
    await this.node.holder.run("mount", "-t", "erofs", "-o", "ro", this.#file(diffId), target);
    try {
      return await this.#reader.read(target);
    } finally {
      await this.node.holder.run("umount", target);
    }
  }

  /** The tar lies in the file as it was pushed. */
  async #assertDigest(diffId: string): Promise<void> {
    const { length } = Object.values(tars).find((bytes) => digestOf(bytes) === diffId)!;
    const bytes = await Deno.readFile(this.#inside(this.#file(diffId)));
    assertEquals(digestOf(bytes.subarray(TAR_START, TAR_START + length)), diffId);
  }

  #file(diffId: string): string {
    return `${this.root}/layers/${diffId.slice("sha256:".length)}.erofs`;
  }

  #namesIn(folder: string): string[] {
    return [...Deno.readDirSync(this.#inside(`${this.root}/${folder}`))].map(({ name }) => name);
  }

  /** A path of the node's mount namespace. */
  #inside(path: string): string {
    return `/proc/${this.node.holder.pid}/root${path}`;
  }
}
