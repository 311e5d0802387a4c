import type { Config } from "../config/types.ts";
import type { Kernel } from "../sys/mod.ts";
import type { LayerStore } from "./layer_store.ts";

const HOUR = 3_600_000;

export interface UnfinishedLayersDependencies {
  kernel: Kernel;
  layers: LayerStore;
  limits: Config["images"]["unfinished"];
  /** Layers that an image names. */
  needed: () => Set<string>;
  isMounted: (diffId: string) => boolean;
}

/**
 * Whole layers that no image names: pulls that were cancelled, failed, or died have left them, and the next pull of the same
 * image goes on from them. They lie in the store as all layers do.
 */
export class UnfinishedLayers {
  #dependencies: UnfinishedLayersDependencies;

  constructor(dependencies: UnfinishedLayersDependencies) {
    this.#dependencies = dependencies;
  }

  /** The latest first. `writtenAt`: milliseconds since the epoch. What a pull needs that runs is not among them. */
  list(): { diffId: string; size: number; writtenAt: number }[] {
    const { kernel, layers, needed } = this.#dependencies;
    const named = needed();
    return layers.diffIds.filter((diffId) => this.#isFree(diffId, () => named)).map((diffId) => {
      const path = layers.path(diffId);
      const writtenAt = kernel.exists(path) ? Number(kernel.stat(path).mtime / 1_000_000n) : 0;
      return { diffId, size: layers.size([diffId]), writtenAt };
    }).sort((a, b) => b.writtenAt - a.writtenAt);
  }

  /** What is older, or more, than the configuration allows. */
  excess(): string[] {
    const { hours, bytes } = this.#dependencies.limits;
    const since = Date.now() - hours * HOUR;
    let kept = 0;
    return this.list().filter(({ size, writtenAt }) => {
      const isKept = writtenAt > since && kept + size <= bytes;
      if (isKept) kept += size;
      return !isKept;
    }).map(({ diffId }) => diffId);
  }

  /** Takes the excess away. */
  async trim(): Promise<void> {
    for (const diffId of this.excess()) await this.#remove(diffId);
  }

  /** Takes away what was written up to `since`, in milliseconds since the epoch; all by default. */
  async drop(since = Infinity): Promise<void> {
    for (const { diffId, writtenAt } of this.list()) if (writtenAt <= since) await this.#remove(diffId);
  }

  /** Takes away those of `diffIds` that are among them. */
  async remove(diffIds: string[]): Promise<void> {
    for (const diffId of new Set(diffIds)) await this.#remove(diffId);
  }

  async #remove(diffId: string): Promise<void> {
    const { layers, needed } = this.#dependencies;
    // A pull may have begun meanwhile.
    if (this.#isFree(diffId, needed)) await layers.remove(diffId);
  }

  /** The layers that images name are asked for last: they are many. */
  #isFree(diffId: string, named: () => Set<string>): boolean {
    const { layers, isMounted } = this.#dependencies;
    return !layers.isHeld(diffId) && !isMounted(diffId) && !named().has(diffId);
  }
}
