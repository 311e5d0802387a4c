import type { Config } from "../config/types.ts";
import type { Kernel, Programs } from "../sys/mod.ts";
import type { FetchSource, ParseTask } from "./child_events.ts";
import { ChildPair, type ChildPairOptions } from "./child_pair.ts";
import type { LayerStore } from "./layer_store.ts";
import type { Platform } from "./platform.ts";
import { Slots } from "./slots.ts";

export interface StationsOptions {
  kernel: Kernel;
  programs: Programs;
  layers: LayerStore;
  config: Config["images"];
  platform: Platform;
  /** See {@link ChildPairOptions}. */
  setAside?: ChildPairOptions["setAside"];
}

/** A pair of children and the folder that they write to. */
export interface Station extends AsyncDisposable {
  pair: ChildPair;
  staging: string;
}

/** Pairs of children at the same time, for all pulls: each takes some 160 MB while it unpacks a large layer. */
const MAX_PAIRS = 8;

/** Milliseconds after a pull, for its answer to go out; a pod whose second image is fetched next asks for it soon. */
const PREPARE_AFTER = 20;

/**
 * Where pulls are worked on. After one from a registry the next is likely, and waits for a pair of children to start about as
 * long as for a small image: so one is made ready, and goes when it was not needed for `images.keepReadySeconds`. What has
 * read a stranger's byte is never used again.
 */
export class Stations implements AsyncDisposable {
  #options: StationsOptions;
  #slots = new Slots(MAX_PAIRS);
  #ready: Station | undefined;
  #dropped: Promise<unknown> = Promise.resolve();
  #timer: number | undefined;
  #ended = false;

  constructor(options: StationsOptions) {
    this.#options = options;
  }

  /** A slot that nobody has to wait for, or none. */
  tryAcquire(): Disposable | undefined {
    return this.#slots.tryAcquire();
  }

  /**
   * Works with two children that fetch from `source`, in a staging folder of their own, as soon as there are few enough of
   * them. What was ready may end in the moment in which it is taken (the kernel wants memory, somebody kills it): where it
   * has said nothing by then, nothing has come of `work`, and it is begun once more, with new ones.
   *
   * @param onBytes told how many bytes of layers came so far.
   * @param slot that was acquired for them.
   */
  async use<T>(
    source: FetchSource,
    { signal, onBytes, slot }: { signal: AbortSignal; onBytes?: (bytes: number) => void; slot?: Disposable },
    work: (station: Station) => Promise<T>,
  ): Promise<T> {
    const isRegistry = source.kind === "registry";
    using stack = new DisposableStack();
    if (isRegistry) stack.defer(() => this.#afterPull());
    stack.use(slot ?? await this.#slots.acquire(signal));
    const workOn = async (given: Station) => {
      await using station = given;
      station.pair.begin(source, onBytes ?? (() => {}));
      return await work(station);
    };
    const ready = isRegistry ? this.#takeReady() : undefined;
    if (!ready) return await workOn(this.#begin(isRegistry));
    try {
      return await workOn(ready);
    } catch (error) {
      if (signal.aborted || !ready.pair.endedUnheard) throw error;
    }
    return await workOn(this.#begin(true));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true;
    await this.#dropReady();
  }

  #begin(network: boolean): Station {
    const { kernel, programs, layers, config, platform, setAside } = this.#options;
    const { entriesPerLayer, inflatedBytesPerLayer, manifestBytes } = config.limits;
    const stage = layers.stage();
    const task: ParseTask = {
      staging: stage.path,
      keepBlobs: config.serve.keepBlobs,
      platform,
      limits: {
        layers: config.limits.layers,
        entries: entriesPerLayer,
        inflatedBytes: inflatedBytesPerLayer,
        documentBytes: manifestBytes,
      },
    };
    let pair: ChildPair;
    try {
      pair = new ChildPair({ kernel, programs, task, network, proxy: config.proxy, setAside });
    } catch (error) {
      Promise.resolve(stage[Symbol.asyncDispose]()).catch(() => {});
      throw error;
    }
    const dispose = async () => {
      await pair[Symbol.asyncDispose]();
      await stage[Symbol.asyncDispose]();
    };
    return { pair, staging: stage.path, [Symbol.asyncDispose]: dispose };
  }

  #afterPull(): void {
    const { keepReadySeconds } = this.#options.config;
    if (this.#ended || keepReadySeconds === 0) return;
    this.#after(this.#ready ? 0 : PREPARE_AFTER, () => {
      // Where none can be started, the next pull says so.
      try {
        this.#ready ??= this.#begin(true);
      } catch {
        return;
      }
      this.#after(keepReadySeconds * 1_000, () => this.#dropReady().catch(() => {}));
    });
  }

  #takeReady(): Station | undefined {
    const ready = this.#ready;
    if (ready?.pair.canWork === false) {
      this.#dropReady().catch(() => {});
      return undefined;
    }
    this.#ready = undefined;
    return ready;
  }

  /** Resolves once all that was dropped so far has ended. */
  async #dropReady(): Promise<void> {
    clearTimeout(this.#timer);
    const ready = this.#ready;
    this.#ready = undefined;
    this.#dropped = Promise.allSettled([this.#dropped, ready?.[Symbol.asyncDispose]()]);
    await this.#dropped;
  }

  #after(milliseconds: number, work: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(work, milliseconds);
    Deno.unrefTimer(this.#timer);
  }
}
