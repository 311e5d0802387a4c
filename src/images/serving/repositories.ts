import { sha256Digest } from "../digest.ts";
import type { ServedImage, ServedLayer } from "./types.ts";

export interface ServedManifest {
  digest: string;
  mediaType: string;
  bytes: Uint8Array;
}

/** A config is short and in memory, a layer in its file. */
export type ServedBlob = Uint8Array | ServedLayer;

interface Entry {
  image: ServedImage;
  manifests: Map<string, ServedManifest>;
  blobs: Map<string, ServedBlob>;
}

/** What is served, by repository. A blob is found only in a repository that an image with it has. */
export class Repositories {
  #images = new Map<string, Entry>();
  #byRepository = new Map<string, Set<string>>();

  put(image: ServedImage): void {
    this.remove(image.id);
    const manifests = image.manifests.map(({ mediaType, content }) => {
      const bytes = Uint8Array.fromBase64(content);
      return { digest: sha256Digest(bytes), mediaType, bytes };
    });
    const blobs = new Map<string, ServedBlob>(image.layers.map((layer) => [layer.digest, layer]));
    for (const document of image.documents) {
      const bytes = Uint8Array.fromBase64(document);
      blobs.set(sha256Digest(bytes), bytes);
    }
    const byDigest = new Map(manifests.map((manifest) => [manifest.digest, manifest]));
    this.#images.set(image.id, { image, manifests: byDigest, blobs });
    for (const repository of image.repositories) {
      const ids = this.#byRepository.get(repository) ?? new Set();
      this.#byRepository.set(repository, ids.add(image.id));
    }
  }

  remove(id: string): void {
    const entry = this.#images.get(id);
    if (!entry) return;
    this.#images.delete(id);
    for (const repository of entry.image.repositories) {
      const ids = this.#byRepository.get(repository);
      ids?.delete(id);
      if (ids?.size === 0) this.#byRepository.delete(repository);
    }
  }

  layersOf(id: string): string[] {
    return this.#images.get(id)?.image.layers.map(({ digest }) => digest) ?? [];
  }

  has(repository: string): boolean {
    return this.#byRepository.has(repository);
  }

  /** Sorted, as clients expect it. */
  tags(repository: string): string[] {
    return this.#in(repository).flatMap(({ image }) => tagsIn(image, repository).map(({ tag }) => tag)).sort();
  }

  /** @param reference a tag, or the digest of what is served. */
  manifest(repository: string, reference: string): ServedManifest | undefined {
    for (const { image, manifests } of this.#in(repository)) {
      const tagged = tagsIn(image, repository).find(({ tag }) => tag === reference);
      const found = manifests.get(tagged?.digest ?? reference);
      if (found) return found;
    }
    return undefined;
  }

  blob(repository: string, digest: string): ServedBlob | undefined {
    for (const { blobs } of this.#in(repository)) {
      const blob = blobs.get(digest);
      if (blob) return blob;
    }
    return undefined;
  }

  #in(repository: string): Entry[] {
    return [...this.#byRepository.get(repository) ?? []].map((id) => this.#images.get(id)!);
  }
}

function tagsIn({ tags }: ServedImage, repository: string): ServedImage["tags"] {
  return tags.filter((tag) => tag.repository === repository);
}
