import { Code, messageOf, RpcError } from "../rpc/status.ts";
import type { Logger } from "../observe/types.ts";
import {
  hasNoWriter,
  isOpenElsewhere,
  type Kernel,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_RDONLY,
  O_RDWR,
  S_IFMT,
  S_IFREG,
  withOpen,
} from "../sys/mod.ts";
import type { AdditionalStores } from "./additional_stores.ts";
import { digestHex } from "./digest.ts";
import { Holds } from "./holds.ts";
import { FOLDER_NAME, type LayerFolders } from "./layer_folders.ts";
import { readNotes, type StagedLayer, writeNote } from "./staged_layers.ts";
import { isLayerFile, partName } from "./staging.ts";
import type { ImageTable, LayerRecord } from "./types.ts";
import type { FolderUsage } from "./unpack/types.ts";
import type { UnpackOptions } from "./unpack/unpack.ts";

/** Milliseconds. */
const WRITER_TIMEOUT = 500;

/**
 * The image files of layers: `<root>/layers/<hex>.erofs`, one row each, written once and never changed. Where the kernel mounts
 * no EROFS, each has a folder that is made of it. What an additional store has is found here, too, and neither counted nor
 * removed, but for folders that are made of it.
 */
export class LayerStore {
  readonly folder: string;
  readonly folders: LayerFolders;
  #staging: string;
  #kernel: Kernel;
  #table: ImageTable;
  #logger: Logger;
  #additional: Pick<AdditionalStores, "with"> | undefined;
  #onHeld: (layer: LayerRecord, path: string) => void;
  #layers = new Map<string, LayerRecord>();
  #bytes = 0;
  #inodes = 0;
  /** Of layers that have no row here, by name. */
  #otherFolders = new Map<string, FolderUsage>();
  #holds = new Holds();

  constructor(
    options: {
      root: string;
      kernel: Kernel;
      table: ImageTable;
      logger: Logger;
      folders: LayerFolders;
      additional?: Pick<AdditionalStores, "with">;
      /** Told of a layer that goes while somebody has its file open, and of that file's path before it goes. */
      onHeld?: (layer: LayerRecord, path: string) => void;
    },
  ) {
    this.folder = `${options.root}/layers`;
    this.folders = options.folders;
    this.#staging = `${options.root}/staging`;
    this.#kernel = options.kernel;
    this.#table = options.table;
    this.#logger = options.logger;
    this.#additional = options.additional;
    this.#onHeld = options.onHeld ?? (() => {});
  }

  /** Reads the rows, and removes what a process that died half-way left behind. */
  async start(): Promise<void> {
    this.#kernel.mkdirs(this.folder, 0o700);
    const files = new Set(this.#kernel.readDirectory(this.folder, Number.MAX_SAFE_INTEGER).map(({ name }) => name));
    this.folders.start();
    for (const layer of this.#table.layers()) {
      if (files.delete(layer.file)) {
        this.#add(this.folders.has(digestHex(layer.diffId)) ? layer : withoutFolder(layer));
        continue;
      }
      this.#logger.warn("a layer's file is gone; the images that need it are dropped", {
        diffId: layer.diffId,
        file: layer.file,
      });
      await this.#table.deleteLayer(layer.diffId);
    }
    for (const name of files) {
      if (isLayerFile(name)) this.#kernel.unlink(`${this.folder}/${name}`);
    }
    if (this.#kernel.exists(this.#staging)) {
      await this.#adopt();
      await this.#kernel.removeTree(this.#staging);
    }
    this.#kernel.mkdirs(this.#staging, 0o700);
  }

  get(diffId: string): LayerRecord | undefined {
    return this.#layers.get(diffId) ?? this.#additional?.with(diffId)?.get(diffId);
  }

  path(diffId: string): string {
    const other = this.#layers.has(diffId) ? undefined : this.#additional?.with(diffId);
    return other?.path(diffId) ?? `${this.folder}/${fileName(diffId)}`;
  }

  /** Bytes, wherever the layers are. */
  size(diffIds: string[]): number {
    return diffIds.reduce((sum, diffId) => sum + bytesOf(this.get(diffId)), 0);
  }

  /** Bytes that would be free without these layers. */
  ownSize(diffIds: string[]): number {
    return diffIds.reduce((sum, diffId) => sum + bytesOf(this.#layers.get(diffId)), 0);
  }

  /** Of this node's own layers. */
  get diffIds(): string[] {
    return [...this.#layers.keys()];
  }

  usage(): { usedBytes: number; inodesUsed: number } {
    return { usedBytes: this.#bytes, inodesUsed: this.#inodes };
  }

  /**
   * The path of the layer as a folder, which is made of its file unless it is there.
   * @throws {RpcError} RESOURCE_EXHAUSTED when the disk is full, else FAILED_PRECONDITION.
   */
  async unpacked(diffId: string, options: UnpackOptions = {}): Promise<string> {
    const name = digestHex(diffId);
    await this.folders.make(name, this.path(diffId), { ...options, made: (usage) => this.#noteFolder(diffId, usage) });
    return this.folders.path(name);
  }

  /** True for a layer whose folder is there. */
  isUnpacked(diffId: string): boolean {
    return this.folders.has(digestHex(diffId));
  }

  /** True for a folder of something that is here, or on its way, and for what has a name that is none of ours. */
  knowsFolder(name: string): boolean {
    if (!FOLDER_NAME.test(name)) return true;
    if (name.startsWith("chain-")) return this.#kernel.exists(this.imageFile(name));
    const diffId = `sha256:${name}`;
    const layer = this.#layers.get(diffId);
    return this.isHeld(diffId) || (layer ? layer.folder !== undefined : this.get(diffId) !== undefined);
  }

  /** Of a layer, or of what mends a stack of them, by its name. */
  imageFile(name: string): string {
    return name.startsWith("chain-") ? `${this.folder}/${name}.erofs` : this.path(`sha256:${name}`);
  }

  /** Notes what the folder of a layer takes that has no row here. */
  countOtherFolder(name: string, usage: FolderUsage): void {
    this.#forgetOtherFolder(name);
    this.#otherFolders.set(name, usage);
    this.#bytes += usage.usedBytes;
    this.#inodes += usage.inodesUsed;
  }

  /** Folders that take space which is not counted. */
  uncountedFolders(): string[] {
    return this.folders.list().filter((name) =>
      !this.#layers.get(`sha256:${name}`)?.folder && !this.#otherFolders.has(name)
    );
  }

  /** Moves a folder to the trash and keeps its layer. Nobody may have it mounted. */
  async dropFolder(name: string): Promise<void> {
    if (this.folders.has(name)) this.folders.discard(name);
    this.#forgetOtherFolder(name);
    const layer = this.#layers.get(`sha256:${name}`);
    if (!layer?.folder) return;
    this.#add(withoutFolder(layer));
    await this.#table.putLayer(withoutFolder(layer));
  }

  /** Keeps layers, there or to come, from being removed until disposed. */
  hold(diffIds: string[]): Disposable {
    return this.#holds.hold(diffIds);
  }

  isHeld(diffId: string): boolean {
    return this.#holds.has(diffId);
  }

  /** A private folder for one pair of children; disposing removes it with what was not taken out. */
  stage(): { path: string } & AsyncDisposable {
    const path = `${this.#staging}/${crypto.randomUUID()}`;
    this.#kernel.mkdir(path, 0o700);
    return { path, [Symbol.asyncDispose]: () => this.#kernel.removeTree(path) };
  }

  /** Writes down that a layer is whole, for the daemon's next life: `commit` follows only when all of its pull are. */
  note(staging: string, layer: StagedLayer): void {
    writeNote(this.#kernel, staging, layer);
  }

  /** Makes staged layers part of the store, for good once this settles. Nobody may have the files open for writing any more. */
  async commit(staging: string, layers: StagedLayer[]): Promise<void> {
    const records = await Promise.all(layers.map((layer) => this.#secure(staging, layer)));
    // Without this a power cut could keep the row and lose the name.
    await withOpen(this.#kernel, this.folder, O_RDONLY | O_DIRECTORY, (fd) => this.#kernel.fsync(fd));
    await Promise.all(records.map((record) => this.#table.putLayer(record)));
    records.forEach((record) => this.#add(record));
  }

  async remove(diffId: string): Promise<void> {
    const layer = this.#layers.get(diffId);
    if (!layer) return;
    this.#layers.delete(diffId);
    this.#count(layer, -1);
    // Row and name go in this turn: a pull that wants the layer from now on makes both anew.
    const doomed = `${this.#staging}/${crypto.randomUUID()}`;
    const deleted = this.#table.deleteLayer(diffId);
    const isThere = this.#kernel.exists(`${this.folder}/${layer.file}`);
    if (isThere) this.#kernel.rename(`${this.folder}/${layer.file}`, doomed);
    const emptied = this.folders.remove(digestHex(diffId));
    await deleted;
    if (isThere && isOpenElsewhere(this.#kernel, doomed)) this.#onHeld(layer, doomed);
    if (isThere) await this.#kernel.unlinkOffThread(doomed);
    await emptied;
  }

  /** Takes over what the pulls of a daemon that died had finished. */
  async #adopt(): Promise<void> {
    const deadline = Date.now() + WRITER_TIMEOUT;
    for (const { name } of this.#kernel.readDirectory(this.#staging).filter(({ type }) => type === "directory")) {
      const staging = `${this.#staging}/${name}`;
      const notes = readNotes(this.#kernel, staging).filter(({ diffId }) => !this.#layers.has(diffId));
      const whole: StagedLayer[] = [];
      for (const note of notes) {
        const part = `${staging}/${partName(note.stream)}`;
        // The process that wrote it ends when the daemon does, but not in the same moment.
        let isFree = hasNoWriter(this.#kernel, part);
        for (; !isFree && Date.now() < deadline; isFree = hasNoWriter(this.#kernel, part)) {
          await new Promise((done) => setTimeout(done, 20));
        }
        if (isFree) whole.push(note);
      }
      if (whole.length > 0) await this.commit(staging, whole);
    }
  }

  async #secure(staging: string, layer: StagedLayer): Promise<LayerRecord> {
    const { stream, diffId, ...described } = layer;
    const part = `${staging}/${partName(stream)}`;
    const file = fileName(diffId);
    const size = await withOpen(this.#kernel, part, O_RDWR | O_NOFOLLOW, async (fd) => {
      if ((this.#kernel.fstat(fd).mode & S_IFMT) !== S_IFREG) {
        throw new RpcError(Code.INTERNAL, `${part} is not a regular file`);
      }
      await this.#kernel.fdatasync(fd).catch((cause) => {
        throw new RpcError(Code.INTERNAL, `cannot sync the layer ${diffId}: ${messageOf(cause)}`, { cause });
      });
      const stat = this.#kernel.fstat(fd);
      // Holes, which sparse files leave, take no space.
      return Math.min(stat.size, stat.blocks * 512);
    });
    this.#kernel.rename(part, `${this.folder}/${file}`);
    return { diffId, file, size, ...described };
  }

  async #noteFolder(diffId: string, folder: FolderUsage): Promise<void> {
    const layer = this.#layers.get(diffId);
    if (!layer) return this.countOtherFolder(digestHex(diffId), folder);
    this.#add({ ...layer, folder });
    await this.#table.putLayer({ ...layer, folder });
  }

  #forgetOtherFolder(name: string): void {
    const usage = this.#otherFolders.get(name);
    if (!usage) return;
    this.#otherFolders.delete(name);
    this.#bytes -= usage.usedBytes;
    this.#inodes -= usage.inodesUsed;
  }

  #add(layer: LayerRecord): void {
    const before = this.#layers.get(layer.diffId);
    if (before) this.#count(before, -1);
    this.#count(layer, 1);
    this.#layers.set(layer.diffId, layer);
  }

  #count(layer: LayerRecord, sign: 1 | -1): void {
    this.#bytes += sign * bytesOf(layer);
    this.#inodes += sign * (1 + (layer.folder?.inodesUsed ?? 0));
  }
}

function bytesOf(layer: LayerRecord | undefined): number {
  return (layer?.size ?? 0) + (layer?.folder?.usedBytes ?? 0);
}

function withoutFolder({ folder: _, ...layer }: LayerRecord): LayerRecord {
  return layer;
}

function fileName(diffId: string): string {
  return `${digestHex(diffId)}.erofs`;
}
