import { KeyedQueue } from "../sys/mod.ts";
import type { DownloadedImage } from "./download.ts";
import { ImageIndex } from "./image_index.ts";
import { namedRecord } from "./image_record.ts";
import type { LayerStore } from "./layer_store.ts";
import { formatReference, parseReference, type Reference } from "./reference.ts";
import type { ImageRecord, ImageTable } from "./types.ts";

export interface CatalogOptions {
  table: ImageTable;
  layers: LayerStore;
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
  #onChange: NonNullable<CatalogOptions["onChange"]>;

  constructor({ table, layers, pinned, onChange }: CatalogOptions) {
    this.#table = table;
    this.#layers = layers;
    this.#onChange = onChange ?? (() => {});
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

  isComplete(id: string): boolean {
    return this.#index.get(id)?.layers.every((diffId) => this.#layers.get(diffId)) ?? false;
  }

  /** Layers that an image names. */
  neededLayers(): Set<string> {
    return new Set(this.#index.list().flatMap(({ layers }) => layers));
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
    const { record, tag } = namedRecord(reference, image, existing, (diffIds) => this.#layers.size(diffIds));
    record.pinned = this.#isPinned(record);
    const before = tag === undefined ? undefined : this.#index.withTag(tag);
    if (before && before.id !== id) {
      await this.#save({ ...before, repoTags: before.repoTags.filter((name) => name !== tag) });
    }
    await this.#save(record);
    return record;
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
