import { Code, RpcError } from "../../rpc/status.ts";
import { digestHex, sha256Digest } from "../digest.ts";
import { SUPERBLOCK_AREA } from "../erofs/image.ts";
import { OCI_CONFIG, OCI_INDEX, OCI_MANIFEST } from "../media_types.ts";
import type { ImageRecord, LayerRecord } from "../types.ts";
import type { ExportEntry, LayerEntry } from "./types.ts";

/** An image, and the names under which it goes into the layout. */
export interface ExportedImage {
  image: ImageRecord;
  names: string[];
}

export interface LayerFiles {
  get(diffId: string): LayerRecord | undefined;
  path(diffId: string): string;
}

const LAYER = "application/vnd.oci.image.layer.v1.tar";

/**
 * The files of an OCI image layout with these images, which `docker load` understands, too, but for artifacts. See
 * {@link imageFiles}.
 */
export function planExport(images: ExportedImage[], layers: LayerFiles): ExportEntry[] {
  const blobs = new Map<string, ExportEntry>();
  const manifests: unknown[] = [];
  const docker: unknown[] = [];
  for (const { image, names } of images) {
    const { manifest, documents, layers: entries } = imageFiles(image, layers);
    for (const entry of entries) blobs.set(entry.digest, entry);
    const digest = sha256Digest(manifest);
    for (const bytes of [...documents, manifest]) {
      const digest = sha256Digest(bytes);
      blobs.set(digest, document(blobName(digest), bytes));
    }
    const entry = { mediaType: OCI_MANIFEST, digest, size: manifest.length };
    if (names.length === 0) manifests.push(entry);
    for (const name of names) {
      const tag = name.slice(name.lastIndexOf(":") + 1);
      const annotations = { "io.containerd.image.name": name, "org.opencontainers.image.ref.name": tag };
      manifests.push({ ...entry, annotations });
    }
    if (!image.artifact) {
      docker.push({ Config: blobName(image.id), RepoTags: names, Layers: image.layers.map(blobName) });
    }
  }
  return [
    document("oci-layout", json({ imageLayoutVersion: "1.0.0" })),
    ...blobs.values(),
    document("index.json", json({ schemaVersion: 2, mediaType: OCI_INDEX, manifests })),
    document("manifest.json", json(docker)),
  ];
}

/** The blobs of an image, and its manifest, as another node can have them. */
export interface ImageFiles {
  manifest: Uint8Array;
  /** Short blobs that are no files of the store. */
  documents: Uint8Array[];
  layers: LayerEntry[];
}

/**
 * An image as its layers are kept: unpacked, so they are plain tars under their diff IDs, and the manifest is a new one that
 * says so. The config, and with it the image's ID, is what came. Of an artifact all is what came.
 * @throws {RpcError} FAILED_PRECONDITION for what an earlier version stored otherwise.
 */
export function imageFiles(
  image: Pick<ImageRecord, "id" | "config" | "layers" | "artifact">,
  layers: LayerFiles,
): ImageFiles {
  const config = new TextEncoder().encode(image.config);
  if (sha256Digest(config) !== image.id) {
    throw new RpcError(Code.FAILED_PRECONDITION, `the config of ${image.id} was not kept as it came; pull it again`);
  }
  if (image.artifact) {
    const entries = new Map(image.layers.map((id) => layerEntry(id, layers)).map((entry) => [entry.digest, entry]));
    return { manifest: config, documents: [], layers: [...entries.values()] };
  }
  const entries = image.layers.map((diffId) => layerEntry(diffId, layers));
  const manifest = json({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: OCI_CONFIG, digest: image.id, size: config.length },
    layers: entries.map(({ digest, size }) => ({ mediaType: LAYER, digest, size })),
  });
  return { manifest, documents: [config], layers: entries };
}

/** A blob of the store as it came, as a file of a layout. */
export function blobEntry({ digest, size }: { digest: string; size: number }, file: string): LayerEntry {
  return { name: blobName(digest), size, file, offset: 0, digest };
}

/** The tar of a layer, or the blob of an artifact, as a file of a layout. */
export function layerEntry(diffId: string, layers: LayerFiles): LayerEntry {
  const { tarBytes: size, content: digest = diffId } = layers.get(diffId) ?? {};
  if (size !== undefined) {
    return { name: blobName(digest), size, file: layers.path(diffId), offset: SUPERBLOCK_AREA, digest };
  }
  throw new RpcError(
    Code.FAILED_PRECONDITION,
    `the layer ${diffId} was stored by an earlier version, which did not note where its tar ends; remove the image and pull it again`,
  );
}

function document(name: string, content: Uint8Array): ExportEntry {
  return { name, size: content.length, content: content.toBase64() };
}

function json(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

function blobName(digest: string): string {
  return `blobs/sha256/${digestHex(digest)}`;
}
