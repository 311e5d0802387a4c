import type { Logger } from "../observe/types.ts";
import { messageOf } from "../rpc/status.ts";
import {
  type Kernel,
  MNT_DETACH,
  mountsBelow,
  MS_BIND,
  MS_NODEV,
  MS_NOEXEC,
  MS_NOSUID,
  MS_RDONLY,
  MS_REMOUNT,
} from "../sys/mod.ts";
import { isDigest } from "./digest.ts";
import { isLayerFile } from "./staging.ts";
import type { LayerFiles } from "./transfer/export_plan.ts";
import type { ImageRecord, ImageTable, LayerRecord } from "./types.ts";

/** The rows of a store: opens a database that is a copy, and this process's own. */
export type OpenTable = (path: string) => Pick<ImageTable, "images" | "layers"> & { close(): Promise<void> };

export interface AdditionalStoresOptions {
  /** Each the `root` of a skiff, of this node or another. */
  folders: string[];
  /** The node's own: what is shown of the others is mounted below it, where every process of ours may read. */
  root: string;
  kernel: Kernel;
  logger: Logger;
  openTable: OpenTable;
}

/** Larger databases are taken for damaged. */
const MAX_DATABASE = 256 << 20;
/** Of the mount through which layers are read: whatever this node does, the store stays as it is. */
const READ_ONLY = MS_RDONLY | MS_NODEV | MS_NOSUID | MS_NOEXEC;

/** One store that is only read. */
export class AdditionalStore implements LayerFiles {
  readonly #layers: Map<string, LayerRecord>;

  /** @param shown where the layers' files can be read. */
  constructor(readonly folder: string, readonly shown: string, readonly images: ImageRecord[], layers: LayerRecord[]) {
    this.#layers = new Map(layers.map((layer) => [layer.diffId, layer]));
  }

  get diffIds(): string[] {
    return [...this.#layers.keys()];
  }

  get(diffId: string): LayerRecord | undefined {
    return this.#layers.get(diffId);
  }

  path(diffId: string): string {
    return `${this.shown}/${this.#layers.get(diffId)!.file}`;
  }
}

/** Image stores of others, whose images and layers are used where they lie: see `images.additionalStores`. */
export class AdditionalStores implements Disposable {
  #options: AdditionalStoresOptions;
  #folder: string;
  #stores: AdditionalStore[] = [];

  constructor(options: AdditionalStoresOptions) {
    this.#options = options;
    this.#folder = `${options.root}/additional`;
  }

  get stores(): readonly AdditionalStore[] {
    return this.#stores;
  }

  /** Reads all of them. One that cannot be used is in the log, and left out. */
  async start(): Promise<void> {
    const { folders, kernel, logger } = this.#options;
    this.#hide();
    if (folders.length === 0) return;
    kernel.mkdirs(this.#folder, 0o700);
    for (const [index, folder] of folders.entries()) {
      try {
        this.#stores.push(await this.#open(folder, `${this.#folder}/${index}`));
      } catch (error) {
        logger.error("an additional store cannot be used", {
          folder,
          reason: messageOf(error),
          fix: "mount what it is on, or take it out of images.additionalStores; then start the daemon again",
        });
      }
    }
  }

  /** The first store that has the layer. */
  with(diffId: string): AdditionalStore | undefined {
    return this.#stores.find((store) => store.get(diffId));
  }

  /** What is mounted of their layers stays. */
  [Symbol.dispose](): void {
    this.#hide();
  }

  async #open(folder: string, shown: string): Promise<AdditionalStore> {
    const { kernel, root } = this.#options;
    const [own, other] = [kernel.stat(root), kernel.stat(folder)];
    if (own.dev === other.dev && own.ino === other.ino) throw new Error("it is this node's own store");
    if (!kernel.exists(`${folder}/store.db`)) throw new Error("it has no store.db, so it is not the `root` of a skiff");
    const { images, layers } = await this.#rows(folder, `${shown}.db`);
    kernel.mkdirs(shown, 0o700);
    kernel.mount(`${folder}/layers`, shown, null, MS_BIND);
    kernel.mount("none", shown, null, MS_BIND | MS_REMOUNT | READ_ONLY);
    const files = new Set(kernel.readDirectory(shown, Number.MAX_SAFE_INTEGER).map(({ name }) => name));
    const whole = layers.filter(({ diffId, file }) => isDigest(diffId) && isLayerFile(file) && files.has(file));
    return new AdditionalStore(folder, shown, images, whole);
  }

  /** From a copy: to read the database itself, SQLite would write beside it, and leave out what is only in its log. */
  async #rows(folder: string, copy: string): Promise<{ images: ImageRecord[]; layers: LayerRecord[] }> {
    const { kernel, openTable } = this.#options;
    const remove = () => ["", "-wal", "-shm"].forEach((end) => kernel.unlinkIfExists(`${copy}${end}`));
    remove();
    try {
      for (const end of ["", "-wal"]) {
        const file = `${folder}/store.db${end}`;
        if (kernel.exists(file)) kernel.writeFile(`${copy}${end}`, kernel.readFile(file, MAX_DATABASE), 0o600);
      }
      const table = openTable(copy);
      try {
        return { images: table.images(), layers: table.layers() };
      } finally {
        await table.close();
      }
    } finally {
      remove();
    }
  }

  #hide(): void {
    const { kernel } = this.#options;
    if (!kernel.exists(this.#folder)) return;
    for (const { mountPoint } of mountsBelow(this.#folder, kernel)) kernel.umountNow(mountPoint, MNT_DETACH);
    for (const { name, type } of kernel.readDirectory(this.#folder)) {
      if (type === "directory") kernel.rmdir(`${this.#folder}/${name}`);
      else kernel.unlink(`${this.#folder}/${name}`);
    }
    kernel.rmdir(this.#folder);
  }
}
