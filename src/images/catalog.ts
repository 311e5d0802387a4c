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
  additional?: () => readonly AdditionalStore[];
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
  #records = new KeyedQueue();
  #pinned: Set<string>;
  #blobBytes: CatalogOptions["blobBytes"];
  #additional: NonNullable<CatalogOptions["additional"]>;
  #onChange: NonNullable<CatalogOptions["onChange"]>;

  constructor({ table, layers, blobBytes, additional, pinned, onChange }: CatalogOptions) {
    this.#table = table;
    this.#layers = layers;
    this.#onChange = onChange ?? (() => {});
    this.#blobBytes = blobBytes;
    this.#additional = additional ?? (() => []);
    this.#pinned = new Set(pinned.map((name) => formatReference(parseReference(name))));
  }

  /** Reads the table. Images that lost a layer are dropped, and `onLost` is told. */
  async load(onLost: (image: ImageRecord, lost: string[]) => void): Promise<void> {
    for (const image of this.#table.images()) {
      const lost = image.layers.filter((diffId) => !this.#layers.get(diffId));
      if (lost.length === 0) {
        this.#index.put({ ...image, pinned: this.#isPinned(image) });
        continue;
      }
      onLost(image, lost);
      await this.#table.deleteImage(image.id);
    }
    for (const store of this.#additional()) for (const image of store.images) this.#addForeign(image, store);
  }

  /** An image of another store. A row or a tag of this node, or of a store before it, counts more. */
  #addForeign(image: ImageRecord, store: AdditionalStore): void {
    if (this.#index.get(image.id) || !image.layers.every((diffId) => store.get(diffId))) return;
    const repoTags = image.repoTags.filter((tag) => !this.#index.withTag(tag));
    const { originals: _, ...row } = image;
    this.#index.put({ ...row, repoTags, store: store.folder, pinned: this.#isPinned(image) });
  }

  get(id: string): ImageRecord | undefined {
    return this.#index.get(id);
  }

  list(): ImageRecord[] {
    return this.#index.list();
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
    return keptBlobs(this.#index.list());
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
    return new Set(this.#index.list().flatMap(({ store, layers }) => store === undefined ? layers : []));
  }

  /** Makes a downloaded image known under a name, which any other image loses. */
  async record(reference: Reference, image: DownloadedImage): Promise<ImageRecord> {
    using _hold = image.hold;
    // One after the other: two names that come at once for one image are both kept.
    return await this.#records.run("", () => this.#record(reference, image));
  }

  async delete(id: string): Promise<void> {
    this.#index.remove(id);
    this.#onChange(id, undefined);
    await this.#table.deleteImage(id);
  }

  async #record(reference: Reference, image: DownloadedImage): Promise<ImageRecord> {
    const { id } = image;
    const existing = this.#index.get(id);
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
    this.#index.put(record);
    this.#onChange(record.id, record);
  }

  #isPinned({ repoTags, repoDigests }: ImageRecord): boolean {
    return [...repoTags, ...repoDigests].some((name) => this.#pinned.has(name));
  }
}
