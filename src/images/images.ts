import { createHash } from "node:crypto";
import type { Config } from "../config/types.ts";
import type { Logger } from "../observe/types.ts";
import { Code, messageOf, RpcError } from "../rpc/status.ts";
import type { Kernel, Programs } from "../sys/mod.ts";
import type { FetchSource } from "./child_events.ts";
import { type DownloadedImage, Downloads } from "./download.ts";
import { failing } from "./failing.ts";
import { ImageIndex } from "./image_index.ts";
import { namedRecord } from "./image_record.ts";
import { JoinedPulls, type PullOptions, type PullWork } from "./joined_pulls.ts";
import { LayerStore } from "./layer_store.ts";
import { chooseImages } from "./layout_contents.ts";
import { mirrorsOf, wrongBytesFromMirror } from "./mirrors.ts";
import { NOT_PROBED, probeStorage, type StorageFacts } from "./mount/probe.ts";
import { RootFilesystems } from "./mount/root_filesystems.ts";
import { formatReference, parseReference, type Reference } from "./reference.ts";
import { ImageSources } from "./sources/image_sources.ts";
import { firstThatCanBeHad } from "./sources/short_names.ts";
import { Gate, type ManifestCheck } from "./trust/gate.ts";
import { importSource } from "./transfer/archive.ts";
import { Exporter, type ExportOptions, type ExportTarget, selectImages } from "./transfer/exporter.ts";
import type { Verdict } from "./trust/types.ts";
import { Upkeep } from "./upkeep.ts";
import type {
  CheckOptions,
  CheckResult,
  ImageNameExplanation,
  ImageRecord,
  Images,
  ImageTable,
  PrunePlan,
  PullProgress,
  RegistryAuth,
  RootfsRequest,
  RunningPull,
  UsersOf,
  VolumeRequest,
} from "./types.ts";

export interface ImageServiceOptions {
  config: Pick<Config, "root" | "state" | "images">;
  kernel: Kernel;
  programs: Programs;
  table: ImageTable;
  logger: Logger;
  /** Moves a process of a pull to where it takes no time from those who answer. */
  setAside?: (pid: number) => Promise<void>;
}

/** Images of this node, their layers, and the root file systems made of them. */
export class ImageService implements Images, AsyncDisposable {
  #config: ImageServiceOptions["config"];
  #kernel: Kernel;
  #programs: Programs;
  #table: ImageTable;
  #logger: Logger;
  #index = new ImageIndex();
  #layers: LayerStore;
  #downloads: Downloads;
  #pulls = new JoinedPulls<ImageRecord>();
  #sources: ImageSources;
  #rootfs: RootFilesystems;
  #gate: Gate;
  #exporter: Exporter;
  #upkeep: Upkeep;
  #facts: StorageFacts = NOT_PROBED;
  #probing = Promise.resolve();
  #pinned: Set<string>;

  constructor({ config, kernel, programs, table, logger, setAside }: ImageServiceOptions) {
    this.#config = config;
    this.#kernel = kernel;
    this.#programs = programs;
    this.#table = table;
    this.#logger = logger;
    this.#pinned = new Set(config.images.pinned.map((name) => formatReference(parseReference(name))));
    this.#layers = new LayerStore({ root: config.root, kernel, table, logger });
    this.#downloads = new Downloads({
      kernel,
      programs,
      layers: this.#layers,
      config: config.images,
      isComplete: (id) => this.#isComplete(id),
      setAside,
    });
    this.#sources = new ImageSources({ kernel, programs, logger, config: config.images });
    const { root, state } = config;
    this.#exporter = new Exporter({ kernel, programs, layers: this.#layers });
    this.#gate = new Gate(root, { config: config.images, kernel, programs });
    this.#upkeep = new Upkeep({
      kernel,
      layers: this.#layers,
      exporter: this.#exporter,
      list: () => this.list(),
      mountsOf: (id) => this.#rootfs.usersOf(id),
      isLayerMounted: (diffId) => this.#rootfs.isLayerUsed(diffId),
      remove: (id) => this.remove(id, () => []),
    });
    this.#rootfs = new RootFilesystems({
      kernel,
      programs,
      logger,
      store: this.#layers,
      root,
      state,
      facts: () => this.#facts,
    });
  }

  /** Reads the table, cleans up after a crash, and begins to find out what this kernel can do. Once, before anything else. */
  async start(): Promise<void> {
    for (const folder of [this.#config.root, this.#config.state]) this.#kernel.mkdirs(folder, 0o700);
    this.#sources.start();
    await this.#layers.start();
    for (const image of this.#table.images()) {
      const lost = image.layers.filter((diffId) => !this.#layers.get(diffId));
      if (lost.length === 0) {
        this.#index.put({ ...image, pinned: this.#isPinned(image) });
        continue;
      }
      this.#logger.warn("an image that lost a layer is dropped; it will be pulled again", {
        image: image.id,
        names: image.repoTags,
        lost,
      });
      await this.#table.deleteImage(image.id);
    }
    await this.#removeUnusedLayers(this.#layers.diffIds);
    this.#gate.keepOnly(this.#index.list());
    const problem = this.#gate.problem();
    if (problem !== undefined) this.#logger.error("no image is accepted", { reason: problem });
    await this.#rootfs.start();
    // Nobody needs it to be answered: what is mounted waits for it.
    this.#probing = this.#probe();
    this.#probing.catch(() => {});
  }

  async #probe(): Promise<void> {
    const { root, state } = this.#config;
    this.#facts = await probeStorage({ kernel: this.#kernel, programs: this.#programs, root, state });
    if (this.#facts.problem !== "") this.#logger.error("containers cannot be created", { reason: this.#facts.problem });
  }

  /** What works for root file systems on this node. */
  async facts(): Promise<StorageFacts> {
    await this.#probing;
    return this.#facts;
  }

  resolve(reference: string): ImageRecord | undefined {
    return this.#index.get(reference) ?? this.#index.resolve(reference, this.#sources.names(reference));
  }

  explain(reference: string, namespace: string): ImageNameExplanation[] {
    return this.#sources.explain(reference, namespace);
  }

  list(): ImageRecord[] {
    return this.#index.list();
  }

  async pull(reference: string, auth: RegistryAuth | undefined, options: PullOptions): Promise<ImageRecord> {
    const namespace = options.namespace ?? "";
    const requester = createHash("sha256").update(JSON.stringify([auth ?? null, namespace])).digest("hex");
    return await firstThatCanBeHad(
      this.#sources.candidates(reference),
      async (candidate) => {
        const name = formatReference(candidate);
        const check = await this.#gate.forPull(candidate, namespace);
        return await this.#joined(`${name}\n${requester}`, `pull ${name}`, options, async (work) => {
          const source = await this.#sources.source(candidate, { auth, namespace });
          return await this.#pull(candidate, source, { ...work, check });
        });
      },
      options.signal,
    );
  }

  /** How far the pull of this reference is, if one runs. */
  pullProgress(reference: string): PullProgress | undefined {
    for (const name of this.#sources.names(reference)) {
      const progress = this.#pulls.progress(`${formatReference(name)}\n`);
      if (progress) return progress;
    }
    return undefined;
  }

  pulls(): RunningPull[] {
    return this.#pulls.list().map(({ key, progress }) => ({ image: key.split("\n")[0], ...progress }));
  }

  async verify(
    reference: string,
    auth: RegistryAuth | undefined,
    { namespace = "", signal }: { namespace?: string; signal?: AbortSignal },
  ): Promise<Verdict> {
    const image = this.resolve(reference);
    if (image) return await this.#gate.explainKept(image, { name: reference, namespace });
    return await firstThatCanBeHad(this.#sources.candidates(reference), async (candidate) => {
      // Without the namespace: what was left for one pull of its own is not used up by a question.
      const source = await this.#sources.source(candidate, { auth, namespace: "" });
      let verdict: Verdict | undefined;
      const check: ManifestCheck = async (pair, digests, signal) => {
        verdict = await this.#gate.explain(candidate, namespace, { pair, digests, signal });
      };
      await failing(`verify ${formatReference(candidate)}`, { signal }, async () => {
        const stop = signal ?? new AbortController().signal;
        await this.#downloads.inspect(source, candidate.digest ?? candidate.tag!, check, stop);
      });
      return verdict!;
    }, signal);
  }

  async importLayout(path: string, name: string | undefined, options: PullOptions): Promise<ImageRecord[]> {
    if (!path.startsWith("/")) {
      throw new RpcError(Code.INVALID_ARGUMENT, `${JSON.stringify(path)} is not an absolute path`);
    }
    const wanted = name === undefined || name === "" ? undefined : parseReference(name);
    options.onStep?.("index");
    const stop = options.signal ?? new AbortController().signal;
    const { source, manifests } = await failing(`import ${path}`, options, async () => {
      const source = await importSource(this.#kernel, this.#programs, path, stop);
      return { source, ...await this.#downloads.readIndex(source, "", stop) };
    });
    const records: ImageRecord[] = [];
    for (const { reference, digest } of chooseImages(manifests, wanted, this.#downloads.platform)) {
      const key = `import\n${path}\n${digest}\n${formatReference(reference)}`;
      records.push(
        await this.#joined(key, `import ${path}`, options, async (work) => {
          const image = await this.#downloads.fetch(source, digest, work);
          return await this.#record(reference, image);
        }),
      );
    }
    return records;
  }

  async exportImages(names: string[], target: ExportTarget, options: ExportOptions): Promise<ImageRecord[]> {
    const images = selectImages(names, (name) => this.resolve(name));
    await failing(`export to ${target.path}`, options, () => this.#exporter.export(images, target, options));
    return images.map(({ image }) => image);
  }

  async prune(options: { dryRun: boolean; unusedSeconds: number }, inUse: UsersOf): Promise<PrunePlan> {
    return await this.#upkeep.prune(options, inUse);
  }

  async check(options: CheckOptions, inUse: UsersOf, signal?: AbortSignal): Promise<CheckResult> {
    return await failing("check the images", { signal }, () => this.#upkeep.check(options, inUse, signal));
  }

  async remove(reference: string, inUse: (imageId: string) => string[]): Promise<void> {
    const image = this.resolve(reference);
    if (!image) return;
    const users = [...new Set([...inUse(image.id), ...this.#rootfs.usersOf(image.id)])];
    if (users.length > 0) {
      const shown = users.slice(0, 5).join(", ") + (users.length > 5 ? `, and ${users.length - 5} more` : "");
      throw new RpcError(
        Code.FAILED_PRECONDITION,
        `cannot remove image ${reference}: used by ${shown}; remove these containers first`,
      );
    }
    this.#index.remove(image.id);
    await this.#table.deleteImage(image.id);
    this.#gate.forget(image);
    this.#rootfs.forgetChain(image.layers);
    await this.#removeUnusedLayers(image.layers);
  }

  usage(): { mountpoint: string; usedBytes: number; inodesUsed: number } {
    return { mountpoint: this.#layers.folder, ...this.#layers.usage() };
  }

  writableUsage(id?: string): { mountpoint: string; usedBytes: number; inodesUsed: number } {
    return { mountpoint: this.#rootfs.writable.folder, ...this.#rootfs.writable.usage(id) };
  }

  async mountRootfs(request: RootfsRequest): Promise<{ root: string; upper: string }> {
    this.#mustHaveLayers(request.image);
    await this.#gate.requireTrusted(request.image, request.use);
    await this.#probing;
    return await this.#rootfs.mount(request);
  }

  async mountVolume(request: VolumeRequest): Promise<string> {
    this.#mustHaveLayers(request.image);
    await this.#gate.requireTrusted(request.image, request.use);
    await this.#probing;
    return await this.#rootfs.mountVolume(request);
  }

  async canIdmap(): Promise<boolean> {
    await this.#probing;
    return this.#facts.idmapped;
  }

  unmountRootfs(id: string): Promise<void> {
    return this.#rootfs.unmount(id);
  }

  async recover(known: { id: string; imageId: string }[]): Promise<void> {
    await this.#rootfs.recover(known.map(({ id, imageId }) => ({ id, image: this.#index.get(imageId) })));
  }

  /** Ends running pulls and lets removals in the background finish. What is mounted stays. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#probing.catch(() => {});
    await this.#pulls.stop(new Error("the daemon stops"));
    await this.#rootfs.stop();
  }

  async #pull(
    reference: Reference,
    source: FetchSource,
    work: PullWork & { check?: ManifestCheck },
  ): Promise<ImageRecord> {
    const start = reference.digest ?? reference.tag!;
    let image: DownloadedImage;
    try {
      image = await this.#downloads.fetch(source, start, work);
    } catch (error) {
      const withoutMirrors = wrongBytesFromMirror(source, error);
      if (!withoutMirrors) throw error;
      this.#logger.warn("a mirror may have sent wrong bytes; the registry itself is asked", {
        reference: formatReference(reference),
        error,
      });
      image = await this.#downloads.fetch(withoutMirrors, start, work).catch((second) => {
        // The mirror's bytes are what is wrong with this pull; that the registry cannot be had either comes second.
        const { code } = error as RpcError;
        throw new RpcError(
          code,
          `${messageOf(error)} (from ${mirrorsOf(source)}); the registry itself was asked then: ${messageOf(second)}`,
        );
      });
    }
    return await this.#record(reference, image);
  }

  /** Makes a downloaded image known under a name, which any other image loses. */
  async #record(reference: Reference, image: DownloadedImage): Promise<ImageRecord> {
    using _hold = image.hold;
    const { id } = image;
    const { record, tag } = namedRecord(
      reference,
      image,
      this.#index.get(id),
      (diffIds) => this.#layers.size(diffIds),
    );
    record.pinned = this.#isPinned(record);
    const before = tag === undefined ? undefined : this.#index.withTag(tag);
    if (before && before.id !== id) {
      await this.#save({
        ...before,
        repoTags: before.repoTags.filter((name) => name !== tag),
      });
    }
    await this.#save(record);
    return record;
  }

  async #save(record: ImageRecord): Promise<void> {
    await this.#table.putImage(record);
    this.#index.put(record);
  }

  #mustHaveLayers({ id, layers }: ImageRecord): void {
    if (layers.every((diffId) => this.#layers.get(diffId))) return;
    throw new RpcError(Code.NOT_FOUND, `the image ${id} was removed; pull it again`);
  }

  #isPinned({ repoTags, repoDigests }: ImageRecord): boolean {
    return [...repoTags, ...repoDigests].some((name) => this.#pinned.has(name));
  }

  #isComplete(id: string): boolean {
    return this.#index.get(id)?.layers.every((diffId) => this.#layers.get(diffId)) ?? false;
  }

  async #removeUnusedLayers(diffIds: string[]): Promise<void> {
    const needed = new Set(this.#index.list().flatMap(({ layers }) => layers));
    for (const diffId of new Set(diffIds)) {
      if (!needed.has(diffId) && !this.#layers.isHeld(diffId) && !this.#rootfs.isLayerUsed(diffId)) {
        await this.#layers.remove(diffId);
      }
    }
  }

  #joined(
    key: string,
    what: string,
    options: PullOptions,
    work: (work: PullWork) => Promise<ImageRecord>,
  ): Promise<ImageRecord> {
    return failing(what, options, () => this.#pulls.run(key, options, work));
  }
}
