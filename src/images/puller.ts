import { createHash } from "node:crypto";
import type { Logger } from "../observe/types.ts";
import { Code, messageOf, RpcError } from "../rpc/status.ts";
import type { Kernel, Programs } from "../sys/mod.ts";
import type { BlobStore } from "./blob_store.ts";
import type { Catalog } from "./catalog.ts";
import type { FetchSource } from "./child_events.ts";
import type { DownloadedImage, Downloads } from "./download.ts";
import { failing } from "./failing.ts";
import { JoinedPulls, type PullOptions, type PullWork } from "./joined_pulls.ts";
import { chooseImages } from "./layout_contents.ts";
import { mirrorsOf, wrongBytesFromMirror } from "./mirrors.ts";
import { formatReference, parseReference, type Reference } from "./reference.ts";
import type { ImageSources } from "./sources/image_sources.ts";
import { firstThatCanBeHad } from "./sources/short_names.ts";
import { importSource } from "./transfer/archive.ts";
import type { Gate, ManifestCheck } from "./trust/gate.ts";
import type { Verdict } from "./trust/types.ts";
import type { UnfinishedLayers } from "./unfinished_layers.ts";
import type { ImageRecord, PullProgress, RegistryAuth, RunningPull } from "./types.ts";

export interface PullerDependencies {
  kernel: Kernel;
  programs: Programs;
  logger: Logger;
  downloads: Downloads;
  sources: ImageSources;
  gate: Gate;
  catalog: Catalog;
  unfinished: UnfinishedLayers;
  blobs: BlobStore;
}

/** Brings images to this node: from registries by their names, from layouts and archives by their paths. */
export class Puller {
  #kernel: Kernel;
  #programs: Programs;
  #logger: Logger;
  #downloads: Downloads;
  #sources: ImageSources;
  #gate: Gate;
  #catalog: Catalog;
  #unfinished: UnfinishedLayers;
  #blobs: BlobStore;
  #pulls = new JoinedPulls<ImageRecord>();

  constructor({ kernel, programs, logger, downloads, sources, gate, catalog, unfinished, blobs }: PullerDependencies) {
    this.#kernel = kernel;
    this.#programs = programs;
    this.#logger = logger;
    this.#downloads = downloads;
    this.#sources = sources;
    this.#gate = gate;
    this.#catalog = catalog;
    this.#unfinished = unfinished;
    this.#blobs = blobs;
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
  progress(reference: string): PullProgress | undefined {
    for (const name of this.#sources.names(reference)) {
      const progress = this.#pulls.progress(`${formatReference(name)}\n`);
      if (progress) return progress;
    }
    return undefined;
  }

  running(): RunningPull[] {
    return this.#pulls.list().map(({ key, progress }) => ({ image: key.split("\n")[0], ...progress }));
  }

  async verify(
    reference: string,
    auth: RegistryAuth | undefined,
    { namespace = "", signal }: { namespace?: string; signal?: AbortSignal },
  ): Promise<Verdict> {
    const image = this.#catalog.resolve(reference, () => this.#sources.names(reference));
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
          return await this.#catalog.record(reference, image);
        }),
      );
    }
    return records;
  }

  /** Ends what runs. */
  stop(reason: unknown): Promise<void> {
    return this.#pulls.stop(reason);
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
    return await this.#catalog.record(reference, image);
  }

  #joined(
    key: string,
    what: string,
    options: PullOptions,
    work: (work: PullWork) => Promise<ImageRecord>,
  ): Promise<ImageRecord> {
    const bounded = async (given: PullWork) => {
      try {
        return await work(given);
      } finally {
        await this.#unfinished.trim();
        await this.#blobs.trim();
      }
    };
    return failing(what, options, () => this.#pulls.run(key, options, bounded));
  }
}
