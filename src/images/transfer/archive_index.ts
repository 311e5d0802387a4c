import { concat } from "@std/bytes";
import { createHash, type Hash } from "node:crypto";
import { isDigest, sha256Digest } from "../digest.ts";
import { array, object } from "../documents.ts";
import { OCI_CONFIG, OCI_INDEX, OCI_MANIFEST } from "../media_types.ts";
import type { TarEntry } from "../tar/entry.ts";
import { TarReader } from "../tar/reader.ts";
import type { ArchiveContents } from "./types.ts";

const MAX_ENTRIES = 100_000;
const MAX_DOCUMENT = 4 << 20;
const MAX_LINKS = 16;
const BLOB = /^blobs\/sha256\/([0-9a-f]{64})$/;
const PLAIN_LAYER = "application/vnd.oci.image.layer.v1.tar";

interface Body {
  offset: number;
  size: number;
  /** For what is no blob by its name. */
  hash?: Hash;
  digest: string;
  /** Of the documents that say what is in the archive. */
  parts?: Uint8Array[];
}

/** Finds the images of a tar: of an OCI layout, or of `docker save`. The tar is a stranger's, and is read once. */
export class ArchiveIndexer {
  #bodies = new Map<string, Body>();
  #links = new Map<string, string>();
  #current: Body | undefined;
  #position = 0;
  #piece: { bytes: Uint8Array; start: number } = { bytes: new Uint8Array(), start: 0 };
  #reader = new TarReader((entry) => this.#entry(entry));

  push(bytes: Uint8Array): void {
    const start = this.#position;
    this.#position += bytes.length;
    this.#feed(bytes, start);
    // Entries that begin in this piece may have their bodies in it, too.
    this.#piece = { bytes, start };
    this.#reader.push(bytes);
  }

  end(): ArchiveContents {
    this.#reader.end();
    for (const body of this.#bodies.values()) if (body.hash) body.digest = `sha256:${body.hash.digest("hex")}`;
    const index = this.#document("index.json");
    if (index) return { index: index.toBase64(), documents: {}, blobs: this.#blobs() };
    const manifest = this.#document("manifest.json");
    if (manifest) return this.#fromDocker(manifest);
    throw new Error("it has neither an index.json (OCI layout) nor a manifest.json (docker save)");
  }

  #entry(entry: TarEntry): void {
    const name = cleanName(entry.path);
    if (name === undefined || this.#bodies.size + this.#links.size >= MAX_ENTRIES) {
      throw new Error(name === undefined ? "a name in it leads out of it" : `it has more than ${MAX_ENTRIES} entries`);
    }
    if (entry.kind === "symlink" || entry.kind === "hardlink") {
      const folder = entry.kind === "symlink" ? name.split("/").slice(0, -1).join("/") : "";
      const target = cleanName(folder === "" ? entry.link : `${folder}/${entry.link}`);
      if (target !== undefined) this.#links.set(name, target);
      return;
    }
    if (entry.kind !== "file" || entry.sparse) return;
    const blob = BLOB.exec(name);
    const isDocument = name === "index.json" || name === "manifest.json";
    if (isDocument && entry.size > MAX_DOCUMENT) throw new Error(`its ${name} is over ${MAX_DOCUMENT} bytes`);
    this.#current = {
      offset: entry.dataOffset,
      size: entry.size,
      digest: blob ? `sha256:${blob[1]}` : "",
      hash: blob ? undefined : createHash("sha256"),
      parts: isDocument ? [] : undefined,
    };
    this.#bodies.set(name, this.#current);
    this.#feed(this.#piece.bytes, this.#piece.start);
  }

  /** Gives the part of a piece that is in the current body to it. */
  #feed(bytes: Uint8Array, start: number): void {
    const body = this.#current;
    if (!body) return;
    const from = Math.max(0, body.offset - start);
    const to = Math.min(bytes.length, body.offset + body.size - start);
    if (from >= to) return;
    const part = bytes.subarray(from, to);
    body.hash?.update(part);
    body.parts?.push(part.slice());
  }

  #document(name: string): Uint8Array | undefined {
    const parts = this.#bodies.get(name)?.parts;
    return parts && concat(parts);
  }

  #blobs(): Record<string, [number, number]> {
    return Object.fromEntries([...this.#bodies.values()].map(({ digest, offset, size }) => [digest, [offset, size]]));
  }

  #fromDocker(bytes: Uint8Array): ArchiveContents {
    const documents: Record<string, string> = {};
    const manifests = array(JSON.parse(new TextDecoder().decode(bytes)), "manifest.json", 1_000).flatMap((value) => {
      const { Config, Layers, RepoTags } = object(value, "an entry of manifest.json");
      const manifest = encode({
        schemaVersion: 2,
        mediaType: OCI_MANIFEST,
        config: this.#descriptor(Config, OCI_CONFIG),
        layers: array(Layers ?? [], "Layers", 1_000).map((name) => this.#descriptor(name, PLAIN_LAYER)),
      });
      const digest = sha256Digest(manifest);
      documents[digest] = manifest.toBase64();
      const descriptor = { mediaType: OCI_MANIFEST, digest, size: manifest.length };
      const tags = array(RepoTags ?? [], "RepoTags", 1_000).map(String);
      if (tags.length === 0) return [descriptor];
      return tags.map((tag) => ({ ...descriptor, annotations: { "io.containerd.image.name": tag } }));
    });
    const index = encode({ schemaVersion: 2, mediaType: OCI_INDEX, manifests });
    return { index: index.toBase64(), documents, blobs: this.#blobs() };
  }

  #descriptor(name: unknown, mediaType: string): { mediaType: string; digest: string; size: number } {
    const body = typeof name === "string" ? this.#find(cleanName(name) ?? "") : undefined;
    if (!body || !isDigest(body.digest)) {
      throw new Error(`manifest.json names ${JSON.stringify(name)}, which is not in it`);
    }
    return { mediaType, digest: body.digest, size: body.size };
  }

  /** Layers that are the same are links in what older versions of Docker write. */
  #find(name: string): Body | undefined {
    let at: string | undefined = name;
    for (let steps = 0; steps < MAX_LINKS && at !== undefined; steps++) {
      const body = this.#bodies.get(at);
      if (body) return body;
      at = this.#links.get(at);
    }
    return undefined;
  }
}

/** Without `./` and `..`; undefined for what leads out of the archive. */
function cleanName(path: string): string | undefined {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) return undefined;
  }
  return parts.join("/");
}

function encode(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}
