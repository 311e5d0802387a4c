import { sha256Digest } from "../digest.ts";
import { OCI_MANIFEST } from "../media_types.ts";
import { blobEntry, imageFiles, layerEntry, type LayerFiles } from "../transfer/export_plan.ts";
import type { LayerEntry } from "../transfer/types.ts";
import type { ImageRecord, Original } from "../types.ts";
import type { ServedImage } from "./types.ts";

export interface BlobFiles {
  has(digest: string): boolean;
  path(digest: string): string;
}

/**
 * What is served of an image: unpacked, and as it came where all of that was kept. A tag leads to the manifest that its
 * repository had, of several to the latest.
 * @throws {RpcError} See {@link imageFiles}.
 */
export function servedImage(image: ImageRecord, layers: LayerFiles, blobs: BlobFiles): ServedImage {
  const plain = imageFiles(image, layers);
  const whole = (image.originals ?? []).filter((original) =>
    original.blobs.every(({ digest, diffId }) => digest === diffId || blobs.has(digest))
  );
  const digestIn = (repository: string) =>
    whole.map(({ documents }) => documents[0].digest).findLast((digest) =>
      image.repoDigests.includes(`${repository}@${digest}`)
    ) ?? sha256Digest(plain.manifest);
  const tags = image.repoTags.map((name) => {
    const colon = name.lastIndexOf(":");
    const repository = name.slice(0, colon);
    return { repository, tag: name.slice(colon + 1), digest: digestIn(repository) };
  });
  const digests = image.repoDigests.map((name) => name.slice(0, name.lastIndexOf("@")));
  const documents = whole.flatMap(({ documents }) => documents).map(({ mediaType, text }) => ({
    mediaType,
    content: new TextEncoder().encode(text).toBase64(),
  }));
  const entries = [...plain.layers, ...whole.flatMap((original) => originalEntries(original, layers, blobs))];
  return {
    id: image.id,
    repositories: [...new Set([...tags.map(({ repository }) => repository), ...digests])],
    tags,
    manifests: [{ mediaType: OCI_MANIFEST, content: plain.manifest.toBase64() }, ...documents],
    documents: plain.documents.map((bytes) => bytes.toBase64()),
    layers: entries.map(({ digest, file, offset, size }) => ({ digest, file, offset, size })),
  };
}

function originalEntries(original: Original, layers: LayerFiles, blobs: BlobFiles): LayerEntry[] {
  return original.blobs.map((blob) =>
    blob.digest === blob.diffId ? layerEntry(blob.diffId, layers) : blobEntry(blob, blobs.path(blob.digest))
  );
}
