import { formatReference, type Reference, repositoryName } from "./reference.ts";
import type { ImageRecord } from "./types.ts";

const ID_PREFIX = /^(?:sha256:)?([0-9a-f]{2,64})$/;

/** The images in memory, and every name by which they are found. */
export class ImageIndex {
  #images = new Map<string, ImageRecord>();
  #byName = new Map<string, string>();

  get(id: string): ImageRecord | undefined {
    return this.#images.get(id);
  }

  list(): ImageRecord[] {
    return [...this.#images.values()];
  }

  put(image: ImageRecord): void {
    this.remove(image.id);
    this.#images.set(image.id, image);
    for (const name of [...image.repoTags, ...image.repoDigests]) this.#byName.set(name, image.id);
  }

  remove(id: string): void {
    const image = this.#images.get(id);
    if (!image) return;
    this.#images.delete(id);
    for (const name of [...image.repoTags, ...image.repoDigests]) {
      if (this.#byName.get(name) === id) this.#byName.delete(name);
    }
  }

  /** The image that a tag names now. */
  withTag(tag: string): ImageRecord | undefined {
    return this.#images.get(this.#byName.get(tag) ?? "");
  }

  /**
   * By name (tag, digest, or both, of which the digest decides), ID, or the only ID with that beginning.
   * @param names the whole names that the text may stand for, in order; none where it is no name.
   */
  resolve(text: string, names: Reference[]): ImageRecord | undefined {
    const exact = this.#images.get(text) ?? this.#images.get(`sha256:${text}`);
    if (exact) return exact;
    for (const name of names) {
      const named = this.#named(name);
      if (named) return named;
    }
    const prefix = ID_PREFIX.exec(text)?.[1];
    if (prefix === undefined) return undefined;
    const matches = [...this.#images.values()].filter(({ id }) => id.startsWith(`sha256:${prefix}`));
    return matches.length === 1 ? matches[0] : undefined;
  }

  #named(reference: Reference): ImageRecord | undefined {
    const name = reference.digest === undefined
      ? formatReference(reference)
      : `${repositoryName(reference)}@${reference.digest}`;
    return this.#images.get(this.#byName.get(name) ?? "");
  }
}
