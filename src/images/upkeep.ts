import { messageOf } from "../rpc/status.ts";
import { type Kernel, S_IFMT, S_IFREG } from "../sys/mod.ts";
import type { AdditionalStore } from "./additional_stores.ts";
import { type BlobStore, keptBlobs } from "./blob_store.ts";
import { checkFolder, checkFolders } from "./folder_upkeep.ts";
import { FOLDER_NAME } from "./layer_folders.ts";
import type { LayerStore } from "./layer_store.ts";
import { chainId, mendingName } from "./mount/mending_image.ts";
import { isLayerFile } from "./staging.ts";
import { blobEntry, type LayerFiles } from "./transfer/export_plan.ts";
import type { Exporter } from "./transfer/exporter.ts";
import type { UnfinishedLayers } from "./unfinished_layers.ts";
import type { CheckResult, ImageRecord, PrunePlan, StoreProblem } from "./types.ts";

export interface UpkeepDependencies {
  kernel: Kernel;
  layers: LayerStore;
  exporter: Exporter;
  unfinished: UnfinishedLayers;
  /** Only looked at. */
  additional: () => readonly AdditionalStore[];
  blobs: BlobStore;
  forgetBlob: (digest: string) => Promise<void>;
  list: () => ImageRecord[];
  /** Root file systems that are made of an image. */
  mountsOf: (imageId: string) => string[];
  isLayerMounted: (diffId: string) => boolean;
  /** See {@link FolderUpkeepDependencies}. */
  isFolderMounted: (name: string) => boolean;
  /** Takes away an image that nobody uses, with the layers that no other one needs. */
  take: (image: ImageRecord) => Promise<void>;
}

type UsersOf = (imageId: string) => string[];

/** Lies on top of a stack of layers. */
const MENDING_FILE = /^chain-[0-9a-f]{64}\.erofs$/;

/** Keeps the store small and sound. It takes away only what it can name a reason for, and nothing that is used. */
export class Upkeep {
  #dependencies: UpkeepDependencies;

  constructor(dependencies: UpkeepDependencies) {
    this.#dependencies = dependencies;
  }

  /** What no container, no pin and no age keeps; removed unless `dryRun` is set. */
  async prune(
    { dryRun, unusedSeconds }: { dryRun: boolean; unusedSeconds: number },
    inUse: UsersOf,
  ): Promise<PrunePlan> {
    const { layers, list, take, isLayerMounted, unfinished, blobs } = this.#dependencies;
    const plan: PrunePlan = { images: [], bytesFreed: 0, kept: [] };
    const before = Date.now() - unusedSeconds * 1000;
    for (const image of list()) {
      const reason = this.#keeper(image, inUse, BigInt(before) * 1_000_000n);
      if (reason === undefined) plan.images.push(image);
      else plan.kept.push({ image, reason });
    }
    // A layer goes when nothing points to it any more: no image that stays, no mount, no pull that runs.
    const needed = new Set(plan.kept.flatMap(({ image }) => image.layers));
    const gone = new Set(plan.images.flatMap((image) => image.layers));
    plan.bytesFreed = layers.ownSize(
      [...gone].filter((diffId) => !needed.has(diffId) && !layers.isHeld(diffId) && !isLayerMounted(diffId)),
    );
    const neededBlobs = keptBlobs(plan.kept.map(({ image }) => image));
    plan.bytesFreed += blobs.size([...keptBlobs(plan.images)].filter((digest) => !neededBlobs.has(digest)));
    for (const { size, writtenAt } of unfinished.list()) if (writtenAt <= before) plan.bytesFreed += size;
    if (dryRun) return plan;
    for (const image of plan.images) await take(image);
    await unfinished.drop(before);
    return plan;
  }

  /** Compares rows and files. Repairs what it can without touching what is used. */
  async check(
    { deep, repair }: { deep: boolean; repair: boolean },
    inUse: UsersOf,
    signal?: AbortSignal,
  ): Promise<CheckResult> {
    const { layers, list, unfinished } = this.#dependencies;
    const result: CheckResult = { images: list().length, layers: layers.diffIds.length, bytes: 0, problems: [] };
    const excess = new Set(unfinished.excess());
    /** What is to be compared with these would only look wrong, too. */
    const bad = new Set<string>();
    for (const diffId of layers.diffIds) {
      signal?.throwIfAborted();
      const problem = await this.#layerProblem(diffId, layers, deep, signal);
      result.bytes += layers.ownSize([diffId]);
      if (problem !== undefined) {
        bad.add(diffId);
        result.problems.push(await this.#badLayer(diffId, problem, repair, inUse));
      } else if (excess.has(diffId)) result.problems.push(await this.#orphanLayer(diffId, repair));
    }
    for (const store of this.#dependencies.additional()) {
      for (const diffId of store.diffIds) {
        signal?.throwIfAborted();
        const problem = await this.#layerProblem(diffId, store, deep, signal);
        if (problem === undefined) continue;
        bad.add(diffId);
        result.problems.push(foreignProblem(diffId, problem, store));
      }
    }
    result.problems.push(...await this.#blobProblems(deep, repair, signal));
    for (const image of list()) {
      const lost = image.layers.filter((diffId) => !layers.get(diffId));
      if (lost.length > 0) result.problems.push(await this.#badImage(image, lost, repair, inUse));
    }
    const mending = new Set(list().map((image) => mendingName(chainId(image.layers))));
    result.problems.push(...await this.#strayFiles(repair, mending));
    const isMending = (name: string) => mending.has(name);
    result.problems.push(...await checkFolders({ ...this.#dependencies, isMending }, repair));
    if (deep) result.problems.push(...await this.#folderProblems(bad, repair, inUse, signal));
    return result;
  }

  #keeper(image: ImageRecord, inUse: UsersOf, since: bigint): string | undefined {
    if (image.store !== undefined) return `it is in ${image.store}, which is only read (images.additionalStores)`;
    if (image.pinned) return "it is pinned (images.pinned)";
    const users = this.#users(image.id, inUse);
    if (users.length > 0) return `it is used by ${users.slice(0, 3).join(", ")}${users.length > 3 ? " and more" : ""}`;
    return image.pulledAt > since ? "it was pulled a short while ago" : undefined;
  }

  #users(imageId: string, inUse: UsersOf): string[] {
    return [...new Set([...inUse(imageId), ...this.#dependencies.mountsOf(imageId)])];
  }

  async #layerProblem(
    diffId: string,
    layers: LayerFiles,
    deep: boolean,
    signal?: AbortSignal,
  ): Promise<string | undefined> {
    return this.#fileProblem(diffId, layers) ?? (deep ? await this.#digestProblem(diffId, layers, signal) : undefined);
  }

  #fileProblem(diffId: string, layers: LayerFiles): string | undefined {
    const { kernel } = this.#dependencies;
    const path = layers.path(diffId);
    if (!kernel.exists(path)) return "its file is not there";
    const { mode, size } = kernel.lstat(path);
    if ((mode & S_IFMT) !== S_IFREG) return "its file is not a regular one";
    return size < (layers.get(diffId)?.size ?? 0) ? "its file is shorter than it was" : undefined;
  }

  async #digestProblem(diffId: string, layers: LayerFiles, signal?: AbortSignal): Promise<string | undefined> {
    const { exporter } = this.#dependencies;
    if (layers.get(diffId)?.tarBytes === undefined) return undefined;
    using _hold = this.#dependencies.layers.hold([diffId]);
    try {
      return await exporter.isIntact(diffId, layers, signal) ? undefined : "its content has another digest";
    } catch (error) {
      signal?.throwIfAborted();
      return `its content cannot be read: ${messageOf(error)}`;
    }
  }

  async #folderProblems(
    bad: ReadonlySet<string>,
    repair: boolean,
    inUse: UsersOf,
    signal?: AbortSignal,
  ): Promise<StoreProblem[]> {
    const { layers, additional } = this.#dependencies;
    const problems: StoreProblem[] = [];
    for (const name of layers.folders.list()) {
      signal?.throwIfAborted();
      const diffId = `sha256:${name}`;
      if (!FOLDER_NAME.test(name) || !layers.knowsFolder(name) || bad.has(diffId)) continue;
      const { folder, file } = await checkFolder(this.#dependencies, name, repair, signal);
      if (folder) problems.push(folder);
      if (file === undefined) continue;
      const store = additional().find(({ diffIds }) => diffIds.includes(diffId));
      if (layers.diffIds.includes(diffId)) problems.push(await this.#badLayer(diffId, file, repair, inUse));
      else if (store) problems.push(foreignProblem(diffId, file, store));
      else {
        const subject = `file ${layers.imageFile(name)}`;
        problems.push({ subject, problem: file, remedy: "restart skiff: then it is made anew", repaired: false });
      }
    }
    return problems;
  }

  async #blobProblems(deep: boolean, repair: boolean, signal?: AbortSignal): Promise<StoreProblem[]> {
    const { kernel, blobs, exporter, list, forgetBlob } = this.#dependencies;
    const sizes = new Map(
      list().flatMap(({ originals = [] }) => originals.flatMap(({ blobs }) => blobs)).map((
        { digest, size },
      ) => [digest, size]),
    );
    const problems: StoreProblem[] = [];
    for (const digest of keptBlobs(list())) {
      signal?.throwIfAborted();
      const [path, size] = [blobs.path(digest), sizes.get(digest)!];
      const problem = !kernel.exists(path) || kernel.lstat(path).size !== size
        ? "its file is not there, or has another size"
        : deep && !await exporter.isEntryIntact(blobEntry({ digest, size }, path), signal)
        ? "its content has another digest"
        : undefined;
      if (problem === undefined) continue;
      if (repair) {
        await forgetBlob(digest);
        await blobs.remove(digest);
      }
      const remedy = "drop it: its images are served unpacked until they are pulled again";
      problems.push({ subject: `blob ${digest}`, problem, remedy, repaired: repair });
    }
    return problems;
  }

  async #badLayer(diffId: string, problem: string, repair: boolean, inUse: UsersOf): Promise<StoreProblem> {
    const { list, take, layers, isLayerMounted } = this.#dependencies;
    const images = list().filter((image) => image.layers.includes(diffId));
    const users = images.flatMap(({ id }) => this.#users(id, inUse));
    const subject = `layer ${diffId}`;
    if (users.length > 0 || isLayerMounted(diffId) || layers.isHeld(diffId)) {
      const who = users.length > 0 ? users.join(", ") : "a mount or a pull";
      return { subject, problem, remedy: `used by ${who}: stop these first, then check again`, repaired: false };
    }
    const names = images.map(({ id, repoTags }) => repoTags[0] ?? id).join(", ");
    const remedy = names === "" ? "drop the layer" : `drop the layer and what needs it; pull again: ${names}`;
    if (repair) {
      for (const image of images) await take(image);
      await layers.remove(diffId);
    }
    return { subject, problem, remedy, repaired: repair };
  }

  async #orphanLayer(diffId: string, repair: boolean): Promise<StoreProblem> {
    if (repair) await this.#dependencies.layers.remove(diffId);
    return { subject: `layer ${diffId}`, problem: "no image needs it", remedy: "remove it", repaired: repair };
  }

  async #badImage(image: ImageRecord, lost: string[], repair: boolean, inUse: UsersOf): Promise<StoreProblem> {
    const subject = `image ${image.repoTags[0] ?? image.id}`;
    const problem = `it needs layers that are not in the store: ${lost.join(", ")}`;
    const users = this.#users(image.id, inUse);
    if (users.length > 0) {
      return { subject, problem, remedy: `used by ${users.join(", ")}: stop these first`, repaired: false };
    }
    if (repair) await this.#dependencies.take(image);
    return { subject, problem, remedy: "drop the image; pull it again", repaired: repair };
  }

  /** Files without a row. What does not look like one of ours is only told about. */
  async #strayFiles(repair: boolean, mending: Set<string>): Promise<StoreProblem[]> {
    const { kernel, layers } = this.#dependencies;
    const known = new Set(layers.diffIds.map((diffId) => layers.get(diffId)!.file));
    const problems: StoreProblem[] = [];
    for (const { name } of kernel.readDirectory(layers.folder, Number.MAX_SAFE_INTEGER)) {
      // A pull may have moved its layers in, and be about to write their rows.
      const stem = name.replace(/\.erofs$/, "");
      if (known.has(name) || mending.has(stem) || layers.isHeld(`sha256:${stem}`)) continue;
      const path = `${layers.folder}/${name}`;
      const isOurs = isLayerFile(name) || MENDING_FILE.test(name);
      if (isOurs && repair) await kernel.unlinkOffThread(path);
      const remedy = isOurs ? "remove it" : "look at it: it is none of skiff's";
      problems.push({ subject: `file ${path}`, problem: "no layer has it", remedy, repaired: isOurs && repair });
    }
    return problems;
  }
}

function foreignProblem(diffId: string, problem: string, { folder }: AdditionalStore): StoreProblem {
  return {
    subject: `layer ${diffId} in ${folder}`,
    problem,
    remedy: "mend that store where it is written; here it is only read (images.additionalStores)",
    repaired: false,
  };
}
