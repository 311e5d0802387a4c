import type { Logger } from "../observe/types.ts";
import { findHolders, type Holder, type Kernel } from "../sys/mod.ts";
import { digestHex } from "./digest.ts";
import type { LayerRecord } from "./types.ts";

/** Milliseconds: what is only about to let go needs no word. */
const GRACE = 300;

export interface HeldLayersOptions {
  kernel: Kernel;
  logger: Logger;
  /** What is known of mounts that show a layer, though they were taken down. */
  lingering: (names: string[]) => { devices: Set<bigint>; mounts: Set<number> };
}

/** Layers that were removed while somebody had their files open: their space is free only once that ends, so the log says who it is. */
export class HeldLayers implements AsyncDisposable {
  #options: HeldLayersOptions;
  #waiting: { layer: LayerRecord; path: string }[] = [];
  #timer: number | undefined;
  #search = Promise.resolve();

  constructor(options: HeldLayersOptions) {
    this.#options = options;
  }

  /** @param path of the file, which is about to go. */
  add(layer: LayerRecord, path: string): void {
    this.#waiting.push({ layer, path });
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#search = this.#search.then(() => this.#report()).catch((error) =>
        this.#options.logger.warn("who holds removed layers could not be found out", { error })
      );
    }, GRACE);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    await this.#search;
  }

  async #report(): Promise<void> {
    const { kernel, logger, lingering } = this.#options;
    const layers = this.#waiting.splice(0);
    const names = layers.map(({ layer }) => digestHex(layer.diffId));
    const files = layers.map(({ path }) => path.slice(path.lastIndexOf("/") + 1));
    const holders = await findHolders(kernel, { names: [...names, ...files], ...lingering(names) });
    if (holders.length === 0) return;
    logger.warn("the space of removed layers is not free yet: other processes hold them; it is when these end", {
      layers: layers.map(({ layer }) => layer.diffId),
      bytes: layers.reduce((sum, { layer }) => sum + layer.size, 0),
      holders: holders.map(describe),
    });
  }
}

function describe({ pid, comm, how }: Holder): string {
  return `${pid} (${comm}), by ${how}`;
}
