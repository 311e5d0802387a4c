import type { Config } from "../config/types.ts";
import { Code, RpcError } from "../rpc/status.ts";
import type { Kernel, Programs } from "../sys/mod.ts";
import type { FetchSource, ParseEvent, ParseTask } from "./child_events.ts";
import { ChildPair, ParseFailure } from "./child_pair.ts";
import type { Descriptor } from "./documents.ts";
import { MAX_SLOTS } from "./frames.ts";
import type { ImageConfig } from "./image_config.ts";
import type { LayerStore, StagedLayer } from "./layer_store.ts";
import { formatPlatform, nodePlatform, type Platform } from "./platform.ts";
import type { PullProgress } from "./types.ts";

export interface DownloadDependencies {
  kernel: Kernel;
  programs: Programs;
  layers: LayerStore;
  config: Config["images"];
  /** True when an image of this ID and all its layers are here already. */
  isComplete: (imageId: string) => boolean;
}

export interface DownloadOptions {
  signal: AbortSignal;
  onProgress: (progress: PullProgress) => void;
  onStep: (step: string) => void;
}

/** An image whose layers are all in the store. */
export interface DownloadedImage {
  /** The config's digest. */
  id: string;
  /** Of the manifest or index that the reference led to. */
  digest: string;
  /** Undefined when the image was complete before. */
  config?: ImageConfig & { text: string };
  /** Keeps the layers until the image's row is written. */
  hold: Disposable;
}

type IndexEvent = Extract<ParseEvent, { event: "index" }>;
type ManifestEvent = Extract<ParseEvent, { event: "manifest" }>;
interface WantedLayer {
  diffId: string;
  blob: Descriptor;
}

/** An index may point to an index, but not for ever. */
const MAX_INDEX_DEPTH = 3;

/** Brings images into the layer store, each layer once, however many pulls want it at the same time. */
export class Downloads {
  #dependencies: DownloadDependencies;
  /** Layers on their way; settles (never rejects) when the attempt is over. */
  #running = new Map<string, Promise<void>>();
  readonly platform: Platform;

  constructor(dependencies: DownloadDependencies) {
    this.#dependencies = dependencies;
    this.platform = nodePlatform(dependencies.config.platform);
  }

  /** The index of a layout, to see what is in it. */
  async readIndex(source: FetchSource, reference: string, signal: AbortSignal): Promise<IndexEvent> {
    await using staging = this.#dependencies.layers.stage();
    await using pair = this.#open(source, staging.path, () => {});
    pair.send({ command: "manifest", reference, limit: this.#dependencies.config.limits.manifestBytes });
    const event = await pair.next(signal);
    if (event.event !== "index") throw unexpected(event);
    return event;
  }

  /** @param start tag or digest; a digest is held to. */
  async fetch(source: FetchSource, start: string, options: DownloadOptions): Promise<DownloadedImage> {
    const { layers } = this.#dependencies;
    const progress: PullProgress = { phase: "resolving", bytesDone: 0, bytesTotal: 0, layersDone: 0, layersTotal: 0 };
    options.onProgress({ ...progress });
    await using staging = layers.stage();
    await using pair = this.#open(source, staging.path, (bytes) => {
      progress.bytesDone = bytes;
      options.onProgress({ ...progress });
    });

    options.onStep("manifest");
    const { digest, manifest } = await this.#manifest(pair, start, options.signal);
    const id = manifest.config.digest;
    if (this.#dependencies.isComplete(id)) return { id, digest, hold: layers.hold([]) };

    options.onStep("config");
    pair.send({ command: "config", blob: manifest.config });
    const event = await pair.next(options.signal);
    if (event.event !== "config") throw unexpected(event);
    requireSame("config", event.digest, id);
    const config = { ...event.config, text: event.text };
    const wanted = pairLayers(config.diffIds, manifest);

    options.onStep("layers");
    using stack = new DisposableStack();
    const hold = stack.use(layers.hold(config.diffIds));
    progress.phase = "pulling";
    progress.layersTotal = wanted.length;
    const missing = wanted.filter(({ diffId }) => !layers.get(diffId));
    progress.layersDone = wanted.length - missing.length;
    progress.bytesTotal = missing.reduce((sum, { blob }) => sum + blob.size, 0);
    options.onProgress({ ...progress });
    this.#requireSpace(progress.bytesTotal);
    await this.#allLayers(source, { pair, staging: staging.path }, wanted, progress, options);
    progress.phase = "done";
    options.onProgress({ ...progress });
    stack.move();
    return { id, digest, config, hold };
  }

  /** Fetches what nobody else does, waits for the rest, and looks again: whoever was to bring a layer may have failed. */
  async #allLayers(
    source: FetchSource,
    first: { pair: ChildPair; staging: string },
    wanted: WantedLayer[],
    progress: PullProgress,
    options: DownloadOptions,
  ): Promise<void> {
    let open: typeof first | undefined = first;
    for (;;) {
      options.signal.throwIfAborted();
      const missing = wanted.filter(({ diffId }) => !this.#dependencies.layers.get(diffId));
      if (missing.length === 0) return;
      const mine = missing.filter(({ diffId }) => !this.#running.has(diffId)).slice(0, MAX_SLOTS);
      if (mine.length === 0) {
        await abortable(Promise.race(missing.map(({ diffId }) => this.#running.get(diffId)!)), options.signal);
        continue;
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      for (const { diffId } of mine) this.#running.set(diffId, promise);
      try {
        if (open) await this.#batch(open.pair, open.staging, mine, progress, options);
        else await this.#batchInNewPair(source, mine, progress, options);
      } finally {
        for (const { diffId } of mine) this.#running.delete(diffId);
        resolve();
      }
      open = undefined;
    }
  }

  async #batchInNewPair(
    source: FetchSource,
    layers: WantedLayer[],
    progress: PullProgress,
    options: DownloadOptions,
  ): Promise<void> {
    const before = progress.bytesDone;
    await using staging = this.#dependencies.layers.stage();
    await using pair = this.#open(source, staging.path, (bytes) => {
      progress.bytesDone = before + bytes;
      options.onProgress({ ...progress });
    });
    await this.#batch(pair, staging.path, layers, progress, options);
  }

  async #batch(
    pair: ChildPair,
    staging: string,
    layers: WantedLayer[],
    progress: PullProgress,
    { signal, onProgress }: DownloadOptions,
  ): Promise<void> {
    const staged: StagedLayer[] = [];
    try {
      pair.send({ command: "layers", layers: layers.map(({ blob }, stream) => ({ stream, blob })) });
      while (staged.length < layers.length) {
        const event = await pair.next(signal);
        if (event.event !== "layer") throw unexpected(event);
        const layer = layers[event.stream];
        if (!layer || staged.some(({ stream }) => stream === event.stream)) throw unexpected(event);
        requireSame("layer", event.digest, layer.blob.digest);
        requireSame(`unpacked layer ${layer.blob.digest}`, event.diffId, layer.diffId);
        const { stream, impliedDirectories, whiteoutDirectories } = event;
        staged.push({ stream, diffId: layer.diffId, impliedDirectories, whiteoutDirectories });
        progress.layersDone++;
        onProgress({ ...progress });
      }
      await pair.finish();
    } catch (error) {
      if (error instanceof ParseFailure && isDiskFull(error)) {
        throw new RpcError(
          Code.RESOURCE_EXHAUSTED,
          `no space is left in ${this.#dependencies.layers.folder}: remove images, or give \`root\` a larger disk`,
          { cause: error },
        );
      }
      const layer = error instanceof ParseFailure && error.stream !== undefined ? layers[error.stream] : undefined;
      if (!layer) throw error;
      throw new RpcError(Code.FAILED_PRECONDITION, `cannot use layer ${layer.blob.digest}`, { cause: error });
    }
    await this.#dependencies.layers.commit(staging, staged);
  }

  async #manifest(
    pair: ChildPair,
    start: string,
    signal: AbortSignal,
  ): Promise<{ digest: string; manifest: ManifestEvent }> {
    const limit = this.#dependencies.config.limits.manifestBytes;
    let digest: string | undefined;
    let reference = start;
    for (let depth = 0; depth <= MAX_INDEX_DEPTH; depth++) {
      pair.send({ command: "manifest", reference, limit });
      const event = await pair.next(signal);
      if (event.event !== "index" && event.event !== "manifest") throw unexpected(event);
      if (reference.includes(":")) requireSame("manifest", event.digest, reference);
      digest ??= event.digest;
      if (event.event === "manifest") return { digest, manifest: event };
      if (event.chosen === null) throw this.#noPlatform(event);
      reference = event.chosen.digest;
    }
    throw new RpcError(Code.FAILED_PRECONDITION, `indexes point to indexes more than ${MAX_INDEX_DEPTH} deep`);
  }

  /** Unpacked layers are hardly ever smaller than packed ones: what cannot fit is not begun. */
  #requireSpace(bytes: number): void {
    const { kernel, layers } = this.#dependencies;
    const { blocksAvailable, blockSize } = kernel.statfs(layers.folder);
    const free = blocksAvailable * blockSize;
    if (bytes < free) return;
    throw new RpcError(
      Code.RESOURCE_EXHAUSTED,
      `the image's layers take at least ${bytes} bytes; ${layers.folder} has ${free} left: remove images, or give \`root\` a larger disk`,
    );
  }

  #noPlatform({ manifests }: IndexEvent): RpcError {
    const there = [...new Set(manifests.map(({ platform }) => platform ? formatPlatform(platform) : "unnamed"))].join(
      ", ",
    );
    return new RpcError(
      Code.NOT_FOUND,
      `there is no image for ${formatPlatform(this.platform)}, only for: ${there || "nothing"}`,
    );
  }

  #open(source: FetchSource, staging: string, onBytes: (bytes: number) => void): ChildPair {
    const { kernel, programs, config } = this.#dependencies;
    const { layers, entriesPerLayer, inflatedBytesPerLayer, manifestBytes } = config.limits;
    const task: ParseTask = {
      staging,
      platform: this.platform,
      limits: { layers, entries: entriesPerLayer, inflatedBytes: inflatedBytesPerLayer, documentBytes: manifestBytes },
    };
    return new ChildPair({ kernel, programs, task, source, onBytes });
  }
}

function isDiskFull({ message }: Error): boolean {
  return /\(os error (28|122)\)/.test(message);
}

/** Every layer of the manifest with its diff ID, each once. */
function pairLayers(diffIds: string[], manifest: ManifestEvent): WantedLayer[] {
  if (diffIds.length !== manifest.layers.length) {
    throw new RpcError(
      Code.FAILED_PRECONDITION,
      `the manifest has ${manifest.layers.length} layers, the config ${diffIds.length}`,
    );
  }
  const wanted = new Map(diffIds.map((diffId, index) => [diffId, { diffId, blob: manifest.layers[index] }]));
  return [...wanted.values()];
}

function requireSame(what: string, computed: string, expected: string): void {
  if (computed === expected) return;
  throw new RpcError(Code.DATA_LOSS, `the ${what} has the digest ${computed}; asked for was ${expected}`);
}

function unexpected(event: ParseEvent): RpcError {
  return new RpcError(
    Code.FAILED_PRECONDITION,
    `expected something else than ${event.event === "index" ? "an index" : `a ${event.event}`}`,
  );
}

async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort);
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
