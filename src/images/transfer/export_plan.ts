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
 * The files of an OCI image layout with these images, which `docker load` understands, too. Layers are kept unpacked, so they
 * are written as plain tars under their diff IDs, and the manifests are new ones that say so: configs, and with them the
 * images' IDs, stay as they were.
 */
export function planExport(images: ExportedImage[], layers: LayerFiles): ExportEntry[] {
  const blobs = new Map<string, ExportEntry>();
  const manifests: unknown[] = [];
  const docker: unknown[] = [];
  for (const { image, names } of images) {
    const { config, manifest, layers: entries } = plainImage(image, layers);
    for (const entry of entries) blobs.set(entry.diffId, entry);
    blobs.set(image.id, document(blobName(image.id), config));
    const digest = sha256Digest(manifest);
    blobs.set(digest, document(blobName(digest), manifest));
    const entry = { mediaType: OCI_MANIFEST, digest, size: manifest.length };
    if (names.length === 0) manifests.push(entry);
    for (const name of names) {
      const tag = name.slice(name.lastIndexOf(":") + 1);
      const annotations = { "io.containerd.image.name": name, "org.opencontainers.image.ref.name": tag };
      manifests.push({ ...entry, annotations });
    }
    docker.push({ Config: blobName(image.id), RepoTags: names, Layers: image.layers.map(blobName) });
  }
  return [
    document("oci-layout", json({ imageLayoutVersion: "1.0.0" })),
    ...blobs.values(),
    document("index.json", json({ schemaVersion: 2, mediaType: OCI_INDEX, manifests })),
    document("manifest.json", json(docker)),
  ];
}

/**
 * An image as its layers are kept: unpacked, so they are plain tars under their diff IDs, and the manifest is a new one that
 * says so. The config, and with it the image's ID, is what came.
 * @throws {RpcError} FAILED_PRECONDITION for what an earlier version stored otherwise.
 */
export function plainImage(
  image: Pick<ImageRecord, "id" | "config" | "layers">,
  layers: LayerFiles,
): { config: Uint8Array; manifest: Uint8Array; layers: LayerEntry[] } {
  const config = new TextEncoder().encode(image.config);
  if (sha256Digest(config) !== image.id) {
    throw new RpcError(Code.FAILED_PRECONDITION, `the config of ${image.id} was not kept as it came; pull it again`);
  }
  const entries = image.layers.map((diffId) => layerEntry(diffId, layers));
  const manifest = json({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: OCI_CONFIG, digest: image.id, size: config.length },
    layers: entries.map(({ diffId, size }) => ({ mediaType: LAYER, digest: diffId, size })),
  });
  return { config, manifest, layers: entries };
}

/** The tar of a layer, as a file of a layout. */
export function layerEntry(diffId: string, layers: LayerFiles): LayerEntry {
  const size = layers.get(diffId)?.tarBytes;
  if (size !== undefined) {
    return { name: blobName(diffId), size, file: layers.path(diffId), offset: SUPERBLOCK_AREA, diffId };
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
