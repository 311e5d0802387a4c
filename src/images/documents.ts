import { titleProblem, titlesProblem } from "./artifact.ts";
import { isDigest } from "./digest.ts";
import { CONFIG_TYPES, INDEX_TYPES, isLayerType, MANIFEST_TYPES, MEDIA_TYPE } from "./media_types.ts";
import type { Platform } from "./platform.ts";

/** Points to a blob or manifest: https://github.com/opencontainers/image-spec/blob/main/descriptor.md */
export interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
}

export interface IndexEntry extends Descriptor {
  platform?: Platform;
  /** The annotation `org.opencontainers.image.ref.name` (in an OCI layout), and containerd's with the full name. */
  refName?: string;
  imageName?: string;
}

/** `mediaType` is what the document calls itself, or is called. */
export type ManifestDocument = { mediaType: string } & ManifestContent;

type ManifestContent =
  | { kind: "index"; manifests: IndexEntry[] }
  | { kind: "manifest"; config: Descriptor; layers: Descriptor[] }
  /** `blobs` has the config first; see {@link ArtifactBlob}. */
  | { kind: "artifact"; type: string; blobs: { title: string; blob: Descriptor }[] };

const MAX_INDEX_ENTRIES = 10_000;

/** The name of a file: the specification's, and that of models (https://github.com/modelpack/model-spec). */
const TITLES = ["org.opencontainers.image.title", "org.cncf.model.filepath"];

type Json = Record<string, unknown>;

/**
 * Parses and checks a manifest or an index.
 * @param contentType what the server called it; "" when nobody did.
 * @param maxLayers more layers are refused.
 */
export function parseManifest(bytes: Uint8Array, contentType: string, maxLayers: number): ManifestDocument {
  const document = parseObject(bytes, "the manifest");
  if (document.schemaVersion === 1) {
    throw new Error(
      "it is in Docker's schema 1 format, which is no longer supported; push the image again with a current tool",
    );
  }
  if (document.schemaVersion !== 2) {
    throw new Error(`its schemaVersion is ${JSON.stringify(document.schemaVersion)}, not 2`);
  }
  const mediaType = optionalString(document, "mediaType") ?? "";
  const isIndex = document.manifests !== undefined;
  if (isIndex && (document.layers !== undefined || document.config !== undefined)) {
    throw new Error(
      "it has both `manifests` and `layers` or `config`: what it is would depend on the reader (CVE-2021-41190)",
    );
  }
  for (const [what, type] of [["mediaType", mediaType], ["Content-Type", contentType]]) {
    const wrong = isIndex ? MANIFEST_TYPES : INDEX_TYPES;
    if (wrong.includes(type)) {
      throw new Error(`its ${what} is ${type}, but it is ${isIndex ? "an index" : "a manifest"}`);
    }
  }
  const content = isIndex ? parseIndex(document, mediaType) : parseImageManifest(document, mediaType, maxLayers);
  const known = isIndex ? INDEX_TYPES : MANIFEST_TYPES;
  return { mediaType: known.find((type) => type === mediaType || type === contentType) ?? known[0], ...content };
}

function parseIndex(document: Json, mediaType: string): ManifestContent {
  if (mediaType !== "" && !INDEX_TYPES.includes(mediaType)) {
    throw new Error(`its mediaType ${mediaType} is not that of an index`);
  }
  const list = array(document.manifests, "manifests", MAX_INDEX_ENTRIES);
  return { kind: "index", manifests: list.map((entry, index) => indexEntry(entry, `manifests[${index}]`)) };
}

function indexEntry(value: unknown, where: string): IndexEntry {
  const entry = object(value, where);
  const annotations = entry.annotations === undefined || entry.annotations === null
    ? {}
    : object(entry.annotations, `${where}.annotations`);
  return {
    ...descriptor(entry, where),
    platform: entry.platform === undefined || entry.platform === null
      ? undefined
      : platform(object(entry.platform, `${where}.platform`)),
    refName: optionalString(annotations, "org.opencontainers.image.ref.name"),
    imageName: optionalString(annotations, "io.containerd.image.name"),
  };
}

function platform(value: Json): Platform {
  return {
    os: optionalString(value, "os") ?? "",
    architecture: optionalString(value, "architecture") ?? "",
    variant: optionalString(value, "variant") ?? "",
  };
}

function parseImageManifest(document: Json, mediaType: string, maxLayers: number): ManifestContent {
  if (mediaType !== "" && !MANIFEST_TYPES.includes(mediaType)) {
    throw new Error(`its mediaType ${mediaType} is not that of an image manifest`);
  }
  const config = descriptor(object(document.config, "config"), "config");
  const artifactType = optionalString(document, "artifactType") ?? "";
  if (artifactType !== "" || !CONFIG_TYPES.includes(config.mediaType)) {
    return parseArtifact(document, config, artifactType || config.mediaType, maxLayers);
  }
  const layers = array(document.layers, "layers", maxLayers).map((entry, index) => {
    const layer = descriptor(object(entry, `layers[${index}]`), `layers[${index}]`);
    if (layer.mediaType.includes("encrypted")) {
      throw new Error(`layers[${index}] is encrypted (${layer.mediaType}), which is not supported`);
    }
    if (!isLayerType(layer.mediaType)) {
      throw new Error(`layers[${index}] has the unknown media type ${layer.mediaType}`);
    }
    return layer;
  });
  return { kind: "manifest", config, layers };
}

function parseArtifact(document: Json, config: Descriptor, type: string, maxLayers: number): ManifestContent {
  if (!MEDIA_TYPE.test(type)) throw new Error(`${JSON.stringify(type.slice(0, 100))} is not the type of an artifact`);
  const blobs = array(document.layers, "layers", maxLayers).map((entry, index) => {
    const where = `layers[${index}]`;
    const value = object(entry, where);
    const annotations = object(value.annotations ?? {}, `${where}.annotations`);
    const title = TITLES.map((name) => optionalString(annotations, name)).find((name) => name) ?? "";
    const problem = title === "" ? undefined : titleProblem(title);
    if (problem !== undefined) {
      throw new Error(
        `${where} has the title ${JSON.stringify(title.slice(0, 100))}, which cannot be a file's: ${problem}`,
      );
    }
    return { title, blob: descriptor(value, where) };
  });
  const problem = titlesProblem(blobs.map(({ title }) => title).filter((title) => title !== ""));
  if (problem !== undefined) throw new Error(problem);
  return { kind: "artifact", type, blobs: [{ title: "", blob: config }, ...blobs] };
}

function descriptor(value: Json, where: string): Descriptor {
  const { mediaType, digest, size } = value;
  if (typeof mediaType !== "string" || mediaType.length > 255) {
    throw new Error(`${where}.mediaType is not a media type`);
  }
  if (!isDigest(digest)) throw new Error(`${where}.digest is not sha256: and 64 lower-case hex digits`);
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    throw new Error(`${where}.size is not a size`);
  }
  return { mediaType, digest, size };
}

export function parseObject(bytes: Uint8Array, what: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new Error(`${what} is not JSON`, { cause });
  }
  return object(value, what);
}

export function object(value: unknown, what: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Error(`${what} is not a JSON object`);
  }
  return value as Json;
}

export function array(value: unknown, what: string, limit: number): unknown[] {
  if (!Array.isArray(value)) throw new Error(`${what} is not a list`);
  if (value.length > limit) throw new Error(`${what} has ${value.length} entries, over the limit of ${limit}`);
  return value;
}

export function optionalString(value: Json, key: string): string | undefined {
  const text = value[key];
  if (text === undefined || text === null) return undefined;
  if (typeof text !== "string") throw new Error(`${key} is not a string`);
  return text;
}
