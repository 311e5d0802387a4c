import type { Logger } from "../observe/types.ts";
import { messageOf } from "../rpc/status.ts";
import { type Kernel, MNT_DETACH, mountsBelow, type Programs, within } from "../sys/mod.ts";
import type { StoreEvent, StoreTask } from "./additional_child.ts";
import { isDigest } from "./digest.ts";
import { isLayerFile } from "./staging.ts";
import { runTask } from "./task_child.ts";
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
  programs: Programs;
  logger: Logger;
  openTable: OpenTable;
  /** Told when, after the start, a store has come or has changed. */
  onChange: () => Promise<void>;
  times?: StoreTimes;
}

/** Milliseconds. */
export interface StoreTimes {
  /** The start waits so long for all stores together. */
  patience: number;
  /** Between two looks at whether a store has changed. */
  interval: number;
}

const TIMES: StoreTimes = { patience: 3_000, interval: 60_000 };
/** Of a dead child; one that hangs in the kernel for good is left to it. */
const END_TIMEOUT = 500;
const STAT_PROGRAM = "/usr/bin/stat";
const STAT_TIMEOUT = 10_000;
/** Some 90 bytes for each layer. */
const MAX_LINE = 32 << 20;

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

/** What is known of one of the configured folders. */
interface Place {
  folder: string;
  number: number;
  /** How often it was read to the end. */
  reads: number;
  store?: AdditionalStore;
  /** Of the database, as it was read last. */
  stamp?: string;
  /** Under way; may never end. */
  reading?: Promise<void>;
  /** Nothing was heard of it yet, good or bad. */
  isSilent: boolean;
  /** Why it could not be read, as the log has it already. */
  problem?: string;
}

/**
 * Image stores of others, whose images and layers are used where they lie: see `images.additionalStores`. They may be on
 * file systems that do not answer, which stop whoever asks: so only processes of their own look there.
 */
export class AdditionalStores implements AsyncDisposable {
  #options: AdditionalStoresOptions;
  #times: StoreTimes;
  #folder: string;
  #places: Place[];
  /** Mount points of what was read anew since. */
  #retired: string[] = [];
  #isStarted = false;
  #end = new AbortController();
  #timer: number | undefined;
  #looking = Promise.resolve();
  #isLooking = false;

  constructor(options: AdditionalStoresOptions) {
    this.#options = options;
    this.#times = options.times ?? TIMES;
    this.#folder = `${options.root}/additional`;
    this.#places = options.folders.map((folder, index) => ({ folder, number: index, reads: 0, isSilent: true }));
  }

  get stores(): readonly AdditionalStore[] {
    return this.#places.flatMap(({ store }) => store ?? []);
  }

  /** True while one may still turn out to have what is missed. */
  get isAwaited(): boolean {
    return this.#places.some(({ isSilent }) => isSilent);
  }

  /** Reads all of them. One that cannot be used, or does not answer in time, is in the log, and left out for now. */
  async start(): Promise<void> {
    const { kernel, logger } = this.#options;
    this.#hide();
    if (this.#places.length === 0) return;
    kernel.mkdirs(this.#folder, 0o700);
    await within(this.#times.patience, Promise.all(this.#places.map((place) => this.#read(place))));
    for (const { folder, isSilent } of this.#places) {
      if (!isSilent) continue;
      logger.warn("an additional store does not answer; it is left out until it does", {
        folder,
        waited: `${this.#times.patience} ms`,
        fix: "look at what it is mounted from, or take it out of images.additionalStores",
      });
    }
    this.#isStarted = true;
    this.#timer = setInterval(() => {
      if (this.#isLooking) return;
      this.#isLooking = true;
      this.#looking = this.#look().finally(() => this.#isLooking = false);
    }, this.#times.interval);
    Deno.unrefTimer(this.#timer);
  }

  /** The first store that has the layer. */
  with(diffId: string): AdditionalStore | undefined {
    return this.stores.find((store) => store.get(diffId));
  }

  /** What is mounted of their layers stays. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#end.abort(new Error("the daemon stops"));
    await within(END_TIMEOUT, Promise.all([this.#looking, ...this.#places.map(({ reading }) => reading)]));
    this.#hide();
  }

  async #look(): Promise<void> {
    for (const mountPoint of this.#retired.splice(0)) this.#unmount(mountPoint);
    for (const place of this.#places) {
      if (place.reading || this.#end.signal.aborted) continue;
      const stamp = await this.#stamp(place.folder);
      // What does not answer, or is gone, may come back as it was.
      if (stamp !== undefined && stamp !== place.stamp) this.#read(place);
    }
  }

  /** Never rejects; the log says what is wrong, once. */
  #read(place: Place): Promise<void> {
    place.reading = this.#open(place).catch((error) => {
      if (this.#end.signal.aborted) return;
      const reason = messageOf(error);
      // It is read again at the next look: it may have been written to just now.
      place.stamp = undefined;
      if (place.problem === reason) return;
      place.problem = reason;
      this.#options.logger.error(
        place.store ? "an additional store has changed and cannot be read" : "an additional store cannot be used",
        {
          folder: place.folder,
          reason,
          fix: "mount what it is on, or take it out of images.additionalStores; it is looked for each minute",
        },
      );
    }).finally(async () => {
      const wasSilent = place.isSilent;
      place.isSilent = false;
      place.reading = undefined;
      if (wasSilent) await this.#tell();
    });
    return place.reading;
  }

  async #open(place: Place): Promise<void> {
    const { folder } = place;
    const { kernel, programs, root } = this.#options;
    // What is written from here on is seen at the next look.
    const stamp = await this.#stamp(folder);
    const shown = `${this.#folder}/${place.number}.${place.reads}`;
    const copy = `${shown}.db`;
    const task: StoreTask = { folder, own: root, copy, shown };
    let names: string[] = [];
    try {
      await runTask<StoreEvent>(kernel, programs, "__store", {
        task,
        maxLine: MAX_LINE,
        onEvent: ({ files }) => names = files,
        signal: this.#end.signal,
      });
      const { images, layers } = await this.#rows(copy);
      const files = new Set(names);
      const whole = layers.filter(({ diffId, file }) => isDigest(diffId) && isLayerFile(file) && files.has(file));
      const before = place.store;
      place.store = new AdditionalStore(folder, shown, images, whole);
      place.reads++;
      if (before) this.#retired.push(before.shown);
    } catch (error) {
      this.#unmount(shown);
      throw error;
    } finally {
      ["", "-wal", "-shm"].forEach((end) => kernel.unlinkIfExists(`${copy}${end}`));
    }
    Object.assign(place, { stamp, problem: undefined });
    if (!place.isSilent) await this.#tell();
  }

  /** From a copy: to read the database itself, SQLite would write beside it, and leave out what is only in its log. */
  async #rows(copy: string): Promise<{ images: ImageRecord[]; layers: LayerRecord[] }> {
    const table = this.#options.openTable(copy);
    try {
      return { images: table.images(), layers: table.layers() };
    } finally {
      await table.close();
    }
  }

  /** Changes with every change of the database; undefined where there is none, or no answer. */
  async #stamp(folder: string): Promise<string | undefined> {
    const files = [`${folder}/store.db`, `${folder}/store.db-wal`];
    try {
      const { stdout } = await this.#options.programs.run(STAT_PROGRAM, ["-L", "-c", "%n %d %i %s %y %z", ...files], {
        timeout: STAT_TIMEOUT,
        signal: this.#end.signal,
      });
      // It fails where there is no log beside the database, and has told of this one.
      return new TextDecoder().decode(stdout) || undefined;
    } catch {
      return undefined;
    }
  }

  async #tell(): Promise<void> {
    if (!this.#isStarted || this.#end.signal.aborted) return;
    await this.#options.onChange().catch((error) =>
      this.#options.logger.error("what an additional store has could not be taken over", { error })
    );
  }

  #unmount(mountPoint: string): void {
    const { kernel } = this.#options;
    for (const { mountPoint: path } of mountsBelow(mountPoint, kernel)) kernel.umountNow(path, MNT_DETACH);
    if (kernel.exists(mountPoint)) kernel.rmdir(mountPoint);
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
