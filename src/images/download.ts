import type { Config } from "../config/types.ts";
import { Code, RpcError } from "../rpc/status.ts";
import { sha256Digest } from "./digest.ts";
import type { Kernel, Programs } from "../sys/mod.ts";
import type { BlobStore } from "./blob_store.ts";
import type { FetchSource, ParseEvent } from "./child_events.ts";
import { type ChildPair, ParseFailure } from "./child_pair.ts";
import { isDiskFull, isOfTheSource, requireSame, unexpected } from "./download_failure.ts";
import { MAX_SLOTS } from "./frames.ts";
import type { LayerStore } from "./layer_store.ts";
import { formatPlatform, nodePlatform, type Platform } from "./platform.ts";
import { type Station, Stations, type StationsOptions } from "./stations.ts";
import type { StagedLayer } from "./staged_layers.ts";
import type { ManifestCheck } from "./trust/gate.ts";
import type { Original, PullProgress } from "./types.ts";
import {
  artifactContent,
  halves,
  type ImageContent,
  packedBytes,
  pairLayers,
  type WantedLayer,
} from "./wanted_layers.ts";

export interface DownloadDependencies {
  kernel: Kernel;
  programs: Programs;
  layers: LayerStore;
  blobs: BlobStore;
  config: Config["images"];
  /** Takes away what pulls that did not end have left. */
  freeUnfinished: () => Promise<void>;
  /** True when an image of this ID and all its layers are here already, and what it came as, if `digest` is given. */
  isComplete: (imageId: string, digest?: string) => boolean;
  /** True where the kernel mounts folders only. */
  mustUnpack: () => Promise<boolean>;
  unpack: (diffIds: string[], signal: AbortSignal) => Promise<void>;
  /** See {@link StationsOptions}. */
  setAside?: StationsOptions["setAside"];
}

export interface DownloadOptions {
  /** Refuses an image, by its manifest's digest and its signatures, before more of it is fetched. */
  check?: ManifestCheck;
  signal: AbortSignal;
  onProgress: (progress: PullProgress) => void;
  onStep: (step: string) => void;
}

/** An image whose layers are all in the store. */
export interface DownloadedImage {
  /** See {@link ImageRecord}. */
  id: string;
  /** Of the manifest or index that the reference led to. */
  digest: string;
  /** Undefined when the image was complete before. */
  config?: ImageContent;
  /** With `images.serve.keepBlobs`. */
  original?: Original;
  /** Keeps the layers until the image's row is written. */
  hold: Disposable;
}

type IndexEvent = Extract<ParseEvent, { event: "index" }>;
type ManifestEvent = Extract<ParseEvent, { event: "manifest" }>;
type ArtifactEvent = Extract<ParseEvent, { event: "artifact" }>;

interface LayerWork {
  source: FetchSource;
  /** Open already, for the manifest. */
  first: Station;
  wanted: WantedLayer[];
  progress: PullProgress;
  report: (changes: Partial<PullProgress>) => void;
  /** What a pair tells how many bytes it has fetched so far. */
  countBytes: () => (bytes: number) => void;
  signal: AbortSignal;
}

/** Bytes, packed: what takes longer than another pair takes to start. */
const LARGE_SHARE = 32 << 20;

/** An index may point to an index, but not for ever. */
const MAX_INDEX_DEPTH = 3;

/** Brings images into the layer store, each layer once, however many pulls want it at the same time. */
export class Downloads {
  #dependencies: DownloadDependencies;
  /** Layers on their way; settles (never rejects) when the attempt is over. */
  #running = new Map<string, Promise<void>>();
  #stations: Stations;
  readonly platform: Platform;

  constructor(dependencies: DownloadDependencies) {
    this.#dependencies = dependencies;
    this.platform = nodePlatform(dependencies.config.platform);
    this.#stations = new Stations({ ...dependencies, platform: this.platform });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stations[Symbol.asyncDispose]();
  }

  /** The index of a layout, to see what is in it. */
  async readIndex(source: FetchSource, reference: string, signal: AbortSignal): Promise<IndexEvent> {
    return await this.#stations.use(source, { signal }, async ({ pair }) => {
      pair.send({ command: "manifest", reference, limit: this.#dependencies.config.limits.manifestBytes });
      const event = await pair.next(signal);
      if (event.event !== "index") throw unexpected(event);
      return event;
    });
  }

  /** Fetches only the manifest, and has it looked at. */
  async inspect(source: FetchSource, start: string, check: ManifestCheck, signal: AbortSignal): Promise<void> {
    await this.#stations.use(source, { signal }, async ({ pair }) => {
      const { digest, manifest } = await this.#manifest(pair, start, signal);
      await check(pair, [...new Set([digest, manifest.digest])], signal);
    });
  }

  /** @param start tag or digest; a digest is held to. */
  async fetch(source: FetchSource, start: string, options: DownloadOptions): Promise<DownloadedImage> {
    const progress: PullProgress = { phase: "resolving", bytesDone: 0, bytesTotal: 0, layersDone: 0, layersTotal: 0 };
    const report = (changes: Partial<PullProgress>) => options.onProgress({ ...Object.assign(progress, changes) });
    report({});
    const countBytes = () => {
      let before = 0;
      return (bytes: number) => {
        report({ bytesDone: progress.bytesDone + bytes - before });
        before = bytes;
      };
    };
    const { signal } = options;
    return await this.#stations.use(
      source,
      { signal, onBytes: countBytes() },
      (first) => this.#fetch({ source, first, progress, report, countBytes, signal }, start, options),
    );
  }

  async #fetch(work: Omit<LayerWork, "wanted">, start: string, options: DownloadOptions): Promise<DownloadedImage> {
    const { layers, blobs, isComplete } = this.#dependencies;
    const { first: station, report } = work;
    options.onStep("manifest");
    const { digest, manifest, documents } = await this.#manifest(station.pair, start, options.signal);
    if (options.check) {
      options.onStep("signatures");
      await options.check(station.pair, [...new Set([digest, manifest.digest])], options.signal);
    }
    const id = manifest.event === "artifact" ? manifest.digest : manifest.config.digest;
    const keeps = this.#dependencies.config.serve.keepBlobs && manifest.event === "manifest";
    if (isComplete(id, keeps ? digest : undefined)) return { id, digest, hold: layers.hold([]) };

    const { config, wanted } = manifest.event === "artifact"
      ? artifactContent(manifest)
      : await this.#imageContent(station.pair, manifest, options);

    options.onStep("layers");
    using stack = new DisposableStack();
    stack.use(layers.hold(config.diffIds));
    stack.use(blobs.hold(wanted.map(({ blob }) => blob.digest)));
    const missing = wanted.filter((layer) => this.#isMissing(layer));
    const bytesTotal = packedBytes(missing);
    report({ phase: "pulling", layersTotal: wanted.length, layersDone: wanted.length - missing.length, bytesTotal });
    const mustUnpack = await this.#dependencies.mustUnpack();
    await this.#requireSpace(wanted, mustUnpack);
    await this.#allLayers({ ...work, wanted });
    if (mustUnpack) {
      options.onStep("unpack");
      await this.#dependencies.unpack(wanted.map(({ diffId }) => diffId), options.signal);
    }
    // Some of it may have come by another pull.
    report({ phase: "done", layersDone: wanted.length, bytesDone: bytesTotal });
    // Of two blobs for one layer only one is here: then the manifest would promise too much.
    const original = keeps && new Set(manifest.layers.map((layer) => layer.digest)).size === wanted.length
      ? { documents, blobs: wanted.map(({ diffId, blob: { digest, size } }) => ({ digest, size, diffId })) }
      : undefined;
    return { id, digest, config, original, hold: stack.move() };
  }

  async #imageContent(
    pair: ChildPair,
    manifest: ManifestEvent,
    { onStep, signal }: DownloadOptions,
  ): Promise<{ config: ImageContent; wanted: WantedLayer[] }> {
    onStep("config");
    pair.send({ command: "config", blob: manifest.config });
    const event = await pair.next(signal);
    if (event.event !== "config") throw unexpected(event);
    requireSame("config", event.digest, manifest.config.digest);
    return { config: { ...event.config, text: event.text }, wanted: pairLayers(event.config.diffIds, manifest.layers) };
  }

  /** Fetches what nobody else does, waits for the rest, and looks again: whoever was to bring a layer may have failed. */
  async #allLayers(work: LayerWork): Promise<void> {
    const { source, first, wanted, countBytes, signal } = work;
    for (let isFirst = true;;) {
      signal.throwIfAborted();
      const missing = wanted.filter((layer) => this.#isMissing(layer));
      if (missing.length === 0) return;
      if (missing.every(({ diffId }) => this.#running.has(diffId))) {
        await abortable(Promise.race(missing.map(({ diffId }) => this.#running.get(diffId)!)), signal);
      } else if (isFirst) {
        isFirst = false;
        await this.#claim(first, work);
      } else {
        await this.#stations.use(source, { signal, onBytes: countBytes() }, (station) => this.#claim(station, work));
      }
    }
  }

  /** Fetches as many missing layers as a pair can carry. Only who has a pair claims layers: others may wait for them. */
  async #claim(station: Station, work: LayerWork): Promise<void> {
    const isMine = (layer: WantedLayer) => this.#isMissing(layer) && !this.#running.has(layer.diffId);
    const mine = work.wanted.filter(isMine).slice(0, MAX_SLOTS);
    const { promise, resolve } = Promise.withResolvers<void>();
    for (const { diffId } of mine) this.#running.set(diffId, promise);
    try {
      await this.#share(station, mine, work);
    } finally {
      for (const { diffId } of mine) this.#running.delete(diffId);
      resolve();
    }
  }

  /** A second pair takes its half of what is large, if nobody has to wait for it: one unpacks on one processor. */
  async #share(station: Station, layers: WantedLayer[], work: LayerWork): Promise<void> {
    const [half, rest] = halves(layers);
    const isWorthIt = packedBytes(rest) >= LARGE_SHARE && navigator.hardwareConcurrency > 1;
    const slot = isWorthIt ? this.#stations.tryAcquire() : undefined;
    if (!slot) return await this.#batch(station, layers, work);
    const failed = new AbortController();
    const signal = AbortSignal.any([work.signal, failed.signal]);
    const shares = [
      this.#batch(station, half, { ...work, signal }),
      this.#stations.use(
        work.source,
        { signal, onBytes: work.countBytes(), slot },
        (other) => this.#batch(other, rest, { ...work, signal }),
      ),
    ];
    for (const share of shares) share.catch((error) => failed.abort(error));
    // The first error that there is is the reason of any other.
    await Promise.allSettled(shares);
    signal.throwIfAborted();
  }

  async #batch(
    { pair, staging }: Station,
    layers: WantedLayer[],
    { progress, report, signal }: LayerWork,
  ): Promise<void> {
    const staged: StagedLayer[] = [];
    try {
      pair.send({ command: "layers", layers: layers.map(({ blob, title }, stream) => ({ stream, blob, title })) });
      while (staged.length < layers.length) {
        const event = await pair.next(signal);
        if (event.event !== "layer") throw unexpected(event);
        const layer = layers[event.stream];
        if (!layer || staged.some(({ stream }) => stream === event.stream)) throw unexpected(event);
        requireSame("layer", event.digest, layer.blob.digest);
        requireSame(`unpacked layer ${layer.blob.digest}`, event.diffId, layer.diffId);
        const { stream, tarBytes, impliedDirectories, whiteoutDirectories } = event;
        const content = layer.title === undefined ? {} : { content: layer.blob.digest };
        const whole = { stream, diffId: layer.diffId, tarBytes, ...content, impliedDirectories, whiteoutDirectories };
        staged.push(whole);
        this.#dependencies.layers.note(staging, whole);
        report({ layersDone: progress.layersDone + 1 });
      }
      await pair.finish();
    } catch (error) {
      if (signal.aborted || isOfTheSource(error)) {
        // Nobody may write to the files any more.
        await pair[Symbol.asyncDispose]();
        await this.#commit(staging, staged, layers);
      }
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
    await this.#commit(staging, staged, layers);
  }

  /** A layer that is here may have come again for its blob alone. */
  async #commit(staging: string, staged: StagedLayer[], wanted: WantedLayer[]): Promise<void> {
    const { layers, blobs } = this.#dependencies;
    const kept = staged.map(({ stream }) => ({ stream, layer: wanted[stream] })).filter(({ layer }) =>
      this.#keeps(layer)
    );
    await blobs.commit(
      staging,
      kept.map(({ stream, layer: { blob } }) => ({ stream, digest: blob.digest, size: blob.size })),
    );
    await layers.commit(staging, staged.filter(({ diffId }) => !layers.get(diffId)));
  }

  #isMissing(layer: WantedLayer): boolean {
    const { layers, blobs } = this.#dependencies;
    return !layers.get(layer.diffId) || this.#keeps(layer) && !blobs.has(layer.blob.digest);
  }

  /** A layer that came unpacked, and a blob of an artifact, are kept as they came in any case. */
  #keeps({ diffId, blob, title }: WantedLayer): boolean {
    return this.#dependencies.config.serve.keepBlobs && title === undefined && blob.digest !== diffId;
  }

  async #manifest(
    pair: ChildPair,
    start: string,
    signal: AbortSignal,
  ): Promise<{ digest: string; manifest: ManifestEvent | ArtifactEvent; documents: Original["documents"] }> {
    const limit = this.#dependencies.config.limits.manifestBytes;
    let digest: string | undefined;
    let reference = start;
    const documents: Original["documents"] = [];
    for (let depth = 0; depth <= MAX_INDEX_DEPTH; depth++) {
      pair.send({ command: "manifest", reference, limit });
      const event = await pair.next(signal);
      if (event.event !== "index" && event.event !== "manifest" && event.event !== "artifact") throw unexpected(event);
      if (reference.includes(":")) requireSame("manifest", event.digest, reference);
      digest ??= event.digest;
      if (event.event !== "artifact" && event.text !== undefined) {
        requireSame("text of the manifest", sha256Digest(event.text), event.digest);
        documents.push({ digest: event.digest, mediaType: event.mediaType!, text: event.text });
      }
      if (event.event !== "index") return { digest, manifest: event, documents };
      if (event.chosen === null) throw this.#noPlatform(event);
      reference = event.chosen.digest;
    }
    throw new RpcError(Code.FAILED_PRECONDITION, `indexes point to indexes more than ${MAX_INDEX_DEPTH} deep`);
  }

  /** Layers, and folders of them, are hardly ever smaller than what came: what cannot fit is not begun. */
  async #requireSpace(wanted: WantedLayer[], withFolders: boolean): Promise<void> {
    const { kernel, layers, blobs, freeUnfinished } = this.#dependencies;
    const bytes = packedBytes([
      ...wanted.filter(({ diffId }) => !layers.get(diffId)),
      ...wanted.filter((layer) => this.#keeps(layer) && !blobs.has(layer.blob.digest)),
      ...withFolders ? wanted.filter(({ diffId }) => !layers.isUnpacked(diffId)) : [],
    ]);
    const available = () => {
      const { blocksAvailable, blockSize } = kernel.statfs(layers.folder);
      return blocksAvailable * blockSize;
    };
    if (bytes < available()) return;
    await freeUnfinished();
    const free = available();
    if (bytes < free) return;
    const form = withFolders ? ", each as a file and as a folder (this kernel mounts no EROFS)" : "";
    throw new RpcError(
      Code.RESOURCE_EXHAUSTED,
      `the image's layers take at least ${bytes} bytes${form}; ${layers.folder} has ${free} left: remove images, or give \`root\` a larger disk`,
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
