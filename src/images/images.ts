import type { Config } from "../config/types.ts";
import type { Logger } from "../observe/types.ts";
import { Code, RpcError } from "../rpc/status.ts";
import type { Kernel, Programs } from "../sys/mod.ts";
import { AdditionalStores, type OpenTable, type StoreTimes } from "./additional_stores.ts";
import { requireFiles, requireImage } from "./artifact.ts";
import { BlobStore } from "./blob_store.ts";
import { Catalog } from "./catalog.ts";
import { Downloads } from "./download.ts";
import { failing } from "./failing.ts";
import type { PullOptions } from "./joined_pulls.ts";
import { HeldLayers } from "./held_layers.ts";
import { LayerFolders } from "./layer_folders.ts";
import { LayerStore } from "./layer_store.ts";
import { NOT_PROBED, probeStorage } from "./mount/probe.ts";
import { RootFilesystems } from "./mount/root_filesystems.ts";
import type { StorageFacts } from "./mount/types.ts";
import { Puller } from "./puller.ts";
import { ImageServer } from "./serving/image_server.ts";
import { ImageSources } from "./sources/image_sources.ts";
import { Exporter, type ExportOptions, type ExportTarget, selectImages } from "./transfer/exporter.ts";
import { Gate } from "./trust/gate.ts";
import type { Verdict } from "./trust/types.ts";
import { UnfinishedLayers } from "./unfinished_layers.ts";
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
  /** See {@link AdditionalStores}. */
  openTable: OpenTable;
  /** See {@link AdditionalStores}. */
  storeTimes?: StoreTimes;
}

/** Images of this node, their layers, and the root file systems made of them. */
export class ImageService implements Images, AsyncDisposable {
  #config: ImageServiceOptions["config"];
  #kernel: Kernel;
  #programs: Programs;
  #logger: Logger;
  #catalog: Catalog;
  #layers: LayerStore;
  #additional: AdditionalStores;
  #blobs: BlobStore;
  #held: HeldLayers;
  #puller: Puller;
  #unfinished: UnfinishedLayers;
  #downloads: Downloads;
  #sources: ImageSources;
  #rootfs: RootFilesystems;
  #gate: Gate;
  #exporter: Exporter;
  #upkeep: Upkeep;
  #startServer: () => ImageServer | undefined;
  #server: ImageServer | undefined;
  #facts: StorageFacts = NOT_PROBED;
  #probing = Promise.resolve();
  #tidying = Promise.resolve();

  constructor({ config, kernel, programs, table, logger, setAside, openTable, storeTimes }: ImageServiceOptions) {
    this.#config = config;
    this.#kernel = kernel;
    this.#programs = programs;
    this.#logger = logger;
    this.#additional = new AdditionalStores({
      folders: config.images.additionalStores,
      ...{ root: config.root, kernel, programs, logger, openTable, times: storeTimes },
      onChange: () => this.#catalog.refresh(),
    });
    const entries = config.images.limits.entriesPerLayer;
    const folders = new LayerFolders({ root: config.root, kernel, programs, entries });
    this.#held = new HeldLayers({ kernel, logger, lingering: (names) => this.#rootfs.lingering(names) });
    this.#layers = new LayerStore({
      ...{ root: config.root, kernel, table, logger, folders, additional: this.#additional },
      onHeld: (layer, path) => this.#held.add(layer, path),
    });
    this.#catalog = new Catalog({
      table,
      layers: this.#layers,
      blobBytes: (digests) => this.#blobs.size(digests),
      additional: this.#additional,
      pinned: config.images.pinned,
      onLost: (image, lost) =>
        logger.warn("an image that lost a layer is dropped; it will be pulled again", {
          image: image.id,
          names: image.repoTags,
          lost,
        }),
      onChange: (id, image) => this.#server?.changed(id, image),
    });
    this.#blobs = new BlobStore({ root: config.root, kernel, needed: () => this.#catalog.neededBlobs() });
    this.#unfinished = new UnfinishedLayers({
      kernel,
      layers: this.#layers,
      limits: config.images.unfinished,
      needed: () => this.#catalog.neededLayers(),
      isMounted: (diffId) => this.#rootfs.isLayerUsed(diffId),
    });
    const downloads = this.#downloads = new Downloads({
      kernel,
      programs,
      layers: this.#layers,
      blobs: this.#blobs,
      config: config.images,
      freeUnfinished: () => this.#unfinished.drop(),
      isComplete: (id, digest) => this.#catalog.isComplete(id, digest),
      unpack: async (diffIds, signal) => {
        await Promise.all(diffIds.map((diffId) => this.#layers.unpacked(diffId, { signal, setAside })));
      },
      mustUnpack: async () => (await this.facts()).layers === "folder",
      setAside,
    });
    this.#sources = new ImageSources({ kernel, programs, logger, config: config.images });
    const { root, state } = config;
    const { serve } = config.images;
    this.#startServer = () =>
      serve.address === "" ? undefined : new ImageServer({
        kernel,
        programs,
        logger,
        config: serve,
        layers: this.#layers,
        blobs: this.#blobs,
        list: () => this.list(),
        setAside,
      });
    this.#exporter = new Exporter({ kernel, programs, layers: this.#layers });
    this.#gate = new Gate(root, { config: config.images, kernel, programs });
    this.#puller = new Puller({
      kernel,
      programs,
      logger,
      downloads,
      sources: this.#sources,
      gate: this.#gate,
      catalog: this.#catalog,
      unfinished: this.#unfinished,
      blobs: this.#blobs,
    });
    this.#upkeep = new Upkeep({
      kernel,
      layers: this.#layers,
      exporter: this.#exporter,
      unfinished: this.#unfinished,
      additional: () => this.#additional.stores,
      blobs: this.#blobs,
      forgetBlob: (digest) => this.#catalog.forgetBlob(digest),
      list: () => this.list(),
      mountsOf: (id) => this.#rootfs.usersOf(id),
      isLayerMounted: (diffId) => this.#rootfs.isLayerUsed(diffId),
      isFolderMounted: (name) => this.#rootfs.isFolderUsed(name),
      take: (image) => this.#take(image),
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
    await this.#additional.start();
    await this.#catalog.load();
    await this.#blobs.start();
    await this.#unfinished.trim();
    this.#gate.keepOnly(this.#catalog.known());
    const problem = this.#gate.problem();
    if (problem !== undefined) this.#logger.error("no image is accepted", { reason: problem });
    await this.#rootfs.start();
    this.#server = this.#startServer();
    // Nobody needs it to be answered: what is mounted waits for it.
    this.#probing = this.#probe();
    this.#probing.catch(() => {});
  }

  async #probe(): Promise<void> {
    const { root, state } = this.#config;
    this.#facts = await probeStorage({ kernel: this.#kernel, programs: this.#programs, root, state });
    const { layers, overlay, why, problem } = this.#facts;
    if (problem !== "") this.#logger.error("containers cannot be created", { reason: problem });
    else if (why !== "") this.#logger.warn("storage does not work as well as it could", { layers, overlay, why });
    else this.#logger.info("storage works", { layers, overlay });
  }

  async facts(): Promise<StorageFacts> {
    await this.#probing;
    return this.#facts;
  }

  resolve(reference: string): ImageRecord | undefined {
    return this.#catalog.resolve(reference, () => this.#sources.names(reference));
  }

  explain(reference: string, namespace: string): ImageNameExplanation[] {
    return this.#sources.explain(reference, namespace);
  }

  list(): ImageRecord[] {
    return this.#catalog.list();
  }

  pull(reference: string, auth: RegistryAuth | undefined, options: PullOptions): Promise<ImageRecord> {
    return this.#puller.pull(reference, auth, options);
  }

  pullProgress(reference: string): PullProgress | undefined {
    return this.#puller.progress(reference);
  }

  pulls(): RunningPull[] {
    return this.#puller.running();
  }

  verify(
    reference: string,
    auth: RegistryAuth | undefined,
    options: { namespace?: string; signal?: AbortSignal },
  ): Promise<Verdict> {
    return this.#puller.verify(reference, auth, options);
  }

  importLayout(path: string, name: string | undefined, options: PullOptions): Promise<ImageRecord[]> {
    return this.#puller.importLayout(path, name, options);
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
    if (!image) return await this.#unfinished.drop();
    const users = [...new Set([...inUse(image.id), ...this.#rootfs.usersOf(image.id)])];
    if (users.length > 0) {
      const shown = users.slice(0, 5).join(", ") + (users.length > 5 ? `, and ${users.length - 5} more` : "");
      throw new RpcError(
        Code.FAILED_PRECONDITION,
        `cannot remove image ${reference}: used by ${shown}; remove these containers first`,
      );
    }
    await this.#take(image);
    // Who removes an image wants space.
    await this.#unfinished.drop();
  }

  usage(): { mountpoint: string; usedBytes: number; inodesUsed: number } {
    const [layers, blobs] = [this.#layers.usage(), this.#blobs.usage()];
    return {
      mountpoint: this.#layers.folder,
      usedBytes: layers.usedBytes + blobs.usedBytes,
      inodesUsed: layers.inodesUsed + blobs.inodesUsed,
    };
  }

  writableUsage(id?: string): { mountpoint: string; usedBytes: number; inodesUsed: number } {
    return { mountpoint: this.#rootfs.writable.folder, ...this.#rootfs.writable.usage(id) };
  }

  async mountRootfs(request: RootfsRequest): Promise<{ root: string; upper: string }> {
    this.#mustHaveLayers(request.image);
    requireImage(request.image.repoTags[0] ?? request.image.id, request.image.artifact);
    await this.#gate.requireTrusted(request.image, request.use);
    await this.#probing;
    return await this.#rootfs.mount(request);
  }

  async mountVolume(request: VolumeRequest): Promise<string> {
    this.#mustHaveLayers(request.image);
    requireFiles(request.image.repoTags[0] ?? request.image.id, request.image.artifact);
    await this.#gate.requireTrusted(request.image, request.use);
    await this.#probing;
    return await this.#rootfs.mountVolume(request);
  }

  unmountRootfs(id: string): Promise<void> {
    return this.#rootfs.unmount(id);
  }

  async recover(known: { id: string; imageId: string }[]): Promise<void> {
    await this.#rootfs.recover(known.map(({ id, imageId }) => ({ id, image: this.#catalog.row(imageId) })));
    this.#tidying = this.#probing.then(() => this.#rootfs.tidyFolders()).catch((error) =>
      this.#logger.warn("unpacked layers could not be tidied up; the next start tries again", { error })
    );
  }

  /** Ends running pulls and lets removals in the background finish. What is mounted stays. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#probing.catch(() => {});
    await this.#tidying;
    await this.#server?.[Symbol.asyncDispose]();
    await this.#puller.stop(new Error("the daemon stops"));
    await this.#downloads[Symbol.asyncDispose]();
    await this.#held[Symbol.asyncDispose]();
    await this.#rootfs.stop();
    await this.#additional[Symbol.asyncDispose]();
  }

  #mustHaveLayers({ id, layers }: ImageRecord): void {
    if (layers.every((diffId) => this.#layers.get(diffId))) return;
    throw new RpcError(Code.NOT_FOUND, `the image ${id} was removed; pull it again`);
  }

  async #take(image: ImageRecord): Promise<void> {
    await this.#catalog.delete(image.id);
    this.#gate.forget(image);
    await this.#rootfs.forgetChain(image.layers);
    await this.#unfinished.remove(image.layers);
    await this.#blobs.trim();
  }
}
