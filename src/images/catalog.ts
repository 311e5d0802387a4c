import { KeyedQueue } from "../sys/mod.ts";
import type { AdditionalStore } from "./additional_stores.ts";
import { keptBlobs } from "./blob_store.ts";
import type { DownloadedImage } from "./download.ts";
import { ImageIndex } from "./image_index.ts";
import { namedRecord } from "./image_record.ts";
import type { LayerStore } from "./layer_store.ts";
import { formatReference, parseReference, type Reference } from "./reference.ts";
import type { ImageRecord, ImageTable } from "./types.ts";

export interface CatalogOptions {
  table: ImageTable;
  layers: LayerStore;
  /** Space of blobs that are kept as they came. */
  blobBytes: (digests: Iterable<string>) => number;
  /** Stores whose images are shown beside those of the table. */
  additional?: { readonly stores: readonly AdditionalStore[]; readonly isAwaited: boolean };
  /** Told of an image that lost layers and is dropped. */
  onLost?: (image: ImageRecord, lost: string[]) => void;
  /** Names of images that no cleaning up takes. */
  pinned: string[];
  /** Told of every image that came, changed or went. */
  onChange?: (id: string, image: ImageRecord | undefined) => void;
}

/** The images of this node, by every name; what is in memory is in the table, too. */
export class Catalog {
  #table: ImageTable;
  #layers: LayerStore;
  #index = new ImageIndex();
  /** Rows whose layers may be in a store that has not answered yet. */
  #waiting = new Map<string, ImageRecord>();
  /** What of other stores was removed here. */
  #hidden = new Set<string>();
  #records = new KeyedQueue();
  #pinned: Set<string>;
  #blobBytes: CatalogOptions["blobBytes"];
  #additional: NonNullable<CatalogOptions["additional"]>;
  #onChange: NonNullable<CatalogOptions["onChange"]>;
  #onLost: NonNullable<CatalogOptions["onLost"]>;

  constructor({ table, layers, blobBytes, additional, pinned, onChange, onLost }: CatalogOptions) {
    this.#table = table;
    this.#layers = layers;
    this.#onChange = onChange ?? (() => {});
    this.#onLost = onLost ?? (() => {});
    this.#blobBytes = blobBytes;
    this.#additional = additional ?? { stores: [], isAwaited: false };
    this.#pinned = new Set(pinned.map((name) => formatReference(parseReference(name))));
  }

  /** Reads the table. Images that lost a layer are dropped. */
  async load(): Promise<void> {
    for (const image of this.#table.images()) this.#index.put({ ...image, pinned: this.#isPinned(image) });
    await this.refresh();
  }

  /** Shows what the additional stores have now. Images of this node that lost a layer with them are dropped. */
  async refresh(): Promise<void> {
    await this.#records.run("", async () => {
      for (const image of this.known()) if (image.store === undefined) await this.#settle(image);
      for (const { id, store } of this.#index.list()) if (store !== undefined) this.#hide(id);
      for (const store of this.#additional.stores) {
        for (const image of store.images) this.#addForeign(image, store);
      }
    });
  }

  /** An image of this node is shown if all of its layers are here. */
  async #settle(image: ImageRecord): Promise<void> {
    const lost = image.layers.filter((diffId) => !this.#layers.get(diffId));
    this.#waiting.delete(image.id);
    if (lost.length === 0) {
      if (this.#index.get(image.id)) return;
      this.#index.put(image);
      return this.#onChange(image.id, image);
    }
    this.#hide(image.id);
    if (this.#additional.isAwaited) {
      this.#waiting.set(image.id, image);
      return;
    }
    this.#onLost(image, lost);
    await this.#table.deleteImage(image.id);
  }

  #hide(id: string): void {
    this.#index.remove(id);
    this.#onChange(id, undefined);
  }

  /** An image of another store. A row or a tag of this node, or of a store before it, counts more. */
  #addForeign(image: ImageRecord, store: AdditionalStore): void {
    if (this.row(image.id) || this.#hidden.has(image.id) || !image.layers.every((diffId) => store.get(diffId))) return;
    const repoTags = image.repoTags.filter((tag) => !this.#index.withTag(tag));
    const { originals: _, ...row } = image;
    const shown = { ...row, repoTags, store: store.folder, pinned: this.#isPinned(image) };
    this.#index.put(shown);
    this.#onChange(shown.id, shown);
  }

  get(id: string): ImageRecord | undefined {
    return this.#index.get(id);
  }

  /** Also of an image that is not shown as long as its layers may come. */
  row(id: string): ImageRecord | undefined {
    return this.#index.get(id) ?? this.#waiting.get(id);
  }

  list(): ImageRecord[] {
    return this.#index.list();
  }

  /** All that are shown, and those that are not as long as their layers may come. */
  known(): ImageRecord[] {
    return [...this.#index.list(), ...this.#waiting.values()];
  }

  /** See {@link ImageIndex.resolve}; `names` is asked for only where the text is no whole ID. */
  resolve(text: string, names: () => Reference[]): ImageRecord | undefined {
    return this.#index.get(text) ?? this.#index.resolve(text, names());
  }

  /** @param digest of the manifest or index as which the image came, where it has to be here as it came, too. */
  isComplete(id: string, digest?: string): boolean {
    const image = this.#index.get(id);
    if (!image?.layers.every((diffId) => this.#layers.get(diffId))) return false;
    return digest === undefined || (image.originals ?? []).some(({ documents }) => documents[0].digest === digest);
  }

  /** Blobs that an image of this node needs as they came; those of other stores are taken over without any. */
  neededBlobs(): Set<string> {
    return keptBlobs(this.known());
  }

  /** What was kept of the blobs is not there any more: the images are served without. */
  async forgetBlob(digest: string): Promise<void> {
    for (const image of this.#index.list()) {
      const originals = image.originals?.filter(({ blobs }) => blobs.every((blob) => blob.digest !== digest));
      if (originals?.length !== image.originals?.length) await this.#save({ ...image, originals });
    }
  }

  /** Layers that an image of this node names; a store that is only read has those of its own. */
  neededLayers(): Set<string> {
    return new Set(this.known().flatMap(({ store, layers }) => store === undefined ? layers : []));
  }

  /** Makes a downloaded image known under a name, which any other image loses. */
  async record(reference: Reference, image: DownloadedImage): Promise<ImageRecord> {
    using _hold = image.hold;
    // One after the other: two names that come at once for one image are both kept.
    return await this.#records.run("", () => this.#record(reference, image));
  }

  async delete(id: string): Promise<void> {
    this.#hidden.add(id);
    this.#hide(id);
    await this.#table.deleteImage(id);
  }

  async #record(reference: Reference, image: DownloadedImage): Promise<ImageRecord> {
    const { id } = image;
    const existing = this.row(id);
    const { record, tag } = namedRecord(reference, image, existing, (named) => this.#bytesOf(named));
    record.pinned = this.#isPinned(record);
    const before = tag === undefined ? undefined : this.#index.withTag(tag);
    if (before && before.id !== id) {
      const { store: _, ...row } = before;
      await this.#save({ ...row, repoTags: before.repoTags.filter((name) => name !== tag) });
    }
    await this.#save(record);
    return record;
  }

  #bytesOf({ layers, originals }: Pick<ImageRecord, "layers" | "originals">): number {
    return this.#layers.size([...new Set(layers)]) + this.#blobBytes(keptBlobs([{ originals }]));
  }

  async #save(record: ImageRecord): Promise<void> {
    await this.#table.putImage(record);
    this.#waiting.delete(record.id);
    this.#hidden.delete(record.id);
    this.#index.put(record);
    this.#onChange(record.id, record);
  }

  #isPinned({ repoTags, repoDigests }: ImageRecord): boolean {
    return [...repoTags, ...repoDigests].some((name) => this.#pinned.has(name));
  }
}
