/** Images as content: blobs with their digests, a config, a manifest. */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { type Entry, tar } from "./tar.ts";

/** A blob in memory, or a file of the cache. */
export interface Blob {
  digest: string;
  size: number;
  content: Uint8Array | { file: string };
}

export interface Layer extends Blob {
  mediaType: string;
  diffId: string;
}

/** The part of an image config that says how to run it. */
export interface RunConfig {
  User?: string;
  Env?: string[];
  Entrypoint?: string[];
  Cmd?: string[];
  WorkingDir?: string;
  StopSignal?: string;
  Labels?: Record<string, string>;
  Volumes?: Record<string, unknown>;
  ExposedPorts?: Record<string, unknown>;
}

export interface Image {
  layers: Layer[];
  config: Blob;
  manifest: Blob & { mediaType: string };
}

export const digestOf = (bytes: Uint8Array) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

export function blobOf(value: Uint8Array | unknown): Blob & { content: Uint8Array } {
  const content = value instanceof Uint8Array ? value : Buffer.from(JSON.stringify(value));
  return { digest: digestOf(content), size: content.length, content };
}

/** A layer from entries. gzip writes no time and no name, so the digest depends on the entries alone. */
export function layer(entries: Iterable<Entry>, compression: "gzip" | "zstd" | "none" = "gzip"): Layer {
  const raw = tar(entries);
  return layerOfTar(raw, compression);
}

export function layerOfTar(raw: Uint8Array, compression: "gzip" | "zstd" | "none" = "gzip"): Layer {
  const packed = compression === "gzip" ? gzipSync(raw) : compression === "zstd" ? zstdCompressSync(raw) : raw;
  return {
    ...blobOf(packed),
    diffId: digestOf(raw),
    mediaType: `application/vnd.oci.image.layer.v1.tar${compression === "none" ? "" : `+${compression}`}`,
  };
}

export const goArchitecture = { x86_64: "amd64", aarch64: "arm64" }[Deno.build.arch as string] ?? Deno.build.arch;

/** An OCI image for this machine's platform. `overrides` go into the manifest, for documents that shall be wrong. */
export function image(layers: Layer[], config: RunConfig, overrides: Record<string, unknown> = {}): Image {
  const configBlob = blobOf({
    created: "2023-11-14T22:13:20Z",
    architecture: goArchitecture,
    os: "linux",
    config,
    rootfs: { type: "layers", diff_ids: layers.map((one) => one.diffId) },
    history: layers.map(() => ({ created: "2023-11-14T22:13:20Z", created_by: "skiff tests" })),
  });
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const manifest = blobOf({
    schemaVersion: 2,
    mediaType,
    config: { mediaType: "application/vnd.oci.image.config.v1+json", digest: configBlob.digest, size: configBlob.size },
    layers: layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
    ...overrides,
  });
  return { layers, config: configBlob, manifest: { ...manifest, mediaType } };
}

/** An OCI artifact: a blob without a title is no file. */
export function artifact(files: { title?: string; data: Uint8Array }[], artifactType: string): Image {
  const layers = files.map(({ data }) => ({ ...blobOf(data), diffId: "", mediaType: "application/octet-stream" }));
  const config = blobOf({});
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const manifest = blobOf({
    schemaVersion: 2,
    mediaType,
    artifactType,
    config: { mediaType: "application/vnd.oci.empty.v1+json", digest: config.digest, size: config.size },
    layers: layers.map(({ mediaType, digest, size }, index) => {
      const { title } = files[index];
      const annotations = title === undefined ? undefined : { "org.opencontainers.image.title": title };
      return { mediaType, digest, size, annotations };
    }),
  });
  return { layers, config, manifest: { ...manifest, mediaType } };
}

/** An index whose entries name one image per platform. */
export function index(
  entries: { image: Image; os: string; architecture: string; variant?: string }[],
): Blob & { mediaType: string } {
  const mediaType = "application/vnd.oci.image.index.v1+json";
  const blob = blobOf({
    schemaVersion: 2,
    mediaType,
    manifests: entries.map(({ image, os, architecture, variant }) => ({
      mediaType: image.manifest.mediaType,
      digest: image.manifest.digest,
      size: image.manifest.size,
      platform: { os, architecture, ...(variant ? { variant } : {}) },
    })),
  });
  return { ...blob, mediaType };
}
