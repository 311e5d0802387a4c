import { isDigest } from "../digest.ts";
import { OCI_INDEX } from "../media_types.ts";
import type { Repositories, ServedBlob } from "./repositories.ts";

/** A request without a body, as the HTTP server has read it. */
export interface Question {
  method: string;
  /** With the query, undecoded. */
  target: string;
  /** By lower-case name. */
  headers: Map<string, string>;
}

export interface Answer {
  status: number;
  headers: Record<string, string>;
  /** Bytes from `start` up to, not including, `end` of a blob, or of what is there. */
  body?: { blob: ServedBlob; digest: string; start: number; end: number };
}

const COMPONENT = /^[a-z0-9]+(?:(?:[._]|__|-{1,64})[a-z0-9]+)*$/;
/** A registry's host, as the first part of a name or in `ns`. */
const HOST = /^(?:localhost|[a-z0-9-]+(?:\.[a-z0-9-]+)+|\[[0-9a-f:]+\])(?::[0-9]{1,5})?$|^[a-z0-9.-]+:[0-9]{1,5}$/i;
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
/** The limit of the specification. */
const MAX_NAME = 255;
const MAX_TAGS = 1_000;
const DEFAULT_HOST = "docker.io";

/**
 * Answers as the OCI distribution specification has it, the part of pulling:
 * https://github.com/opencontainers/distribution-spec/blob/main/spec.md
 */
export function answer({ method, target, headers }: Question, repositories: Repositories): Answer {
  if (method !== "GET" && method !== "HEAD") {
    const refusal = failure(405, "UNSUPPORTED", "this registry is for reading alone: it shows the images of a node");
    return { ...refusal, headers: { ...refusal.headers, allow: "GET, HEAD" } };
  }
  const query = target.indexOf("?");
  const path = query < 0 ? target : target.slice(0, query);
  const parameters = new URLSearchParams(query < 0 ? "" : target.slice(query + 1));
  if (path === "/v2/" || path === "/v2") return document({}, "application/json");
  const parts = path.split("/");
  if (parts[0] !== "" || parts[1] !== "v2") return failure(404, "NOT_FOUND", "only /v2/ is served");
  const [kind, reference] = parts.slice(-2);
  const name = wholeName(parts.slice(2, -2), parameters.get("ns"));
  if (name === undefined) return failure(404, "NAME_INVALID", "this is not the name of a repository");
  if (!repositories.has(name)) return failure(404, "NAME_UNKNOWN", `no image of this node is from ${name}`);
  switch (kind) {
    case "manifests":
      return manifest(name, reference, repositories);
    case "blobs":
      return blob(name, reference, repositories, headers.get("range"));
    case "tags":
      return reference === "list" ? tags(name, path, parameters, repositories) : unknown();
    case "referrers":
      if (!isDigest(reference)) return failure(400, "DIGEST_INVALID", "this is not a digest");
      // There are none, which is an answer of its own.
      return document({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] }, OCI_INDEX);
  }
  return unknown();
}

export function failure(status: number, code: string, message: string): Answer {
  return { ...document({ errors: [{ code, message }] }, "application/json"), status };
}

/**
 * The whole name of a repository. A mirror's client says in `ns` which registry it means; else the first part may be the
 * host, and what has none is Docker Hub's: that a path is the same does not make it the same image.
 */
function wholeName(parts: string[], namespace: string | null): string | undefined {
  const name = parts.join("/");
  if (parts.length === 0 || name.length > MAX_NAME) return undefined;
  if (namespace !== null && namespace !== "") {
    if (namespace.length > MAX_NAME || !HOST.test(namespace) || !parts.every((part) => COMPONENT.test(part))) {
      return undefined;
    }
    return namespace === DEFAULT_HOST && parts.length === 1 ? `${namespace}/library/${name}` : `${namespace}/${name}`;
  }
  const hasHost = parts.length > 1 && HOST.test(parts[0]);
  if (!parts.slice(hasHost ? 1 : 0).every((part) => COMPONENT.test(part))) return undefined;
  if (hasHost) return name;
  return parts.length === 1 ? `${DEFAULT_HOST}/library/${name}` : `${DEFAULT_HOST}/${name}`;
}

function manifest(name: string, reference: string, repositories: Repositories): Answer {
  if (!isDigest(reference) && !TAG.test(reference)) {
    return failure(404, "MANIFEST_UNKNOWN", "this is neither a tag nor a digest");
  }
  const found = repositories.manifest(name, reference);
  if (!found) return failure(404, "MANIFEST_UNKNOWN", `${name} has no ${reference} on this node`);
  return whole(found.bytes, found.digest, found.mediaType);
}

function blob(name: string, digest: string, repositories: Repositories, range: string | undefined): Answer {
  if (!isDigest(digest)) return failure(400, "DIGEST_INVALID", "this is not a digest");
  const found = repositories.blob(name, digest);
  if (!found) return failure(404, "BLOB_UNKNOWN", `${name} has no blob ${digest} on this node`);
  const size = sizeOf(found);
  const all = whole(found, digest, "application/octet-stream");
  const part = range === undefined ? undefined : parseRange(range, size);
  if (!part) return all;
  if (part === "unsatisfiable") {
    const refusal = failure(416, "RANGE_INVALID", `the blob has ${size} bytes`);
    return { ...refusal, headers: { ...refusal.headers, "content-range": `bytes */${size}` } };
  }
  const { start, end } = part;
  return {
    status: 206,
    headers: {
      ...all.headers,
      "content-length": String(end - start),
      "content-range": `bytes ${start}-${end - 1}/${size}`,
    },
    body: { blob: found, digest, start, end },
  };
}

/** One range of bytes, see RFC 9110, 14.1; what is none, or more than one, is as if nobody had asked for it. */
function parseRange(text: string, size: number): { start: number; end: number } | "unsatisfiable" | undefined {
  const match = /^bytes=([0-9]{0,15})-([0-9]{0,15})$/.exec(text.trim());
  if (!match || match[1] === "" && match[2] === "") return undefined;
  if (match[1] === "") {
    const length = Math.min(Number(match[2]), size);
    return length === 0 ? "unsatisfiable" : { start: size - length, end: size };
  }
  const start = Number(match[1]);
  const end = match[2] === "" ? size : Math.min(Number(match[2]) + 1, size);
  if (match[2] !== "" && Number(match[2]) < start) return undefined;
  return start >= size ? "unsatisfiable" : { start, end };
}

function tags(name: string, path: string, parameters: URLSearchParams, repositories: Repositories): Answer {
  const last = parameters.get("last");
  const count = parameters.get("n") ?? String(MAX_TAGS);
  if (!/^[0-9]{1,9}$/.test(count)) return failure(400, "PAGINATION_NUMBER_INVALID", "`n` is not a number");
  const limit = Math.min(Number(count), MAX_TAGS);
  const rest = repositories.tags(name).filter((tag) => last === null || tag > last);
  const page = rest.slice(0, limit);
  const list = document({ name, tags: page }, "application/json");
  if (page.length === rest.length || limit === 0) return list;
  const next = new URLSearchParams({ n: String(limit), last: page.at(-1)! });
  const namespace = parameters.get("ns");
  if (namespace) next.set("ns", namespace);
  return { ...list, headers: { ...list.headers, link: `<${path}?${next}>; rel="next"` } };
}

function unknown(): Answer {
  return failure(404, "NOT_FOUND", "a registry serves manifests, blobs, tags/list and referrers");
}

function document(value: unknown, type: string): Answer {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  return {
    status: 200,
    headers: { "content-type": type, "content-length": String(bytes.length) },
    body: { blob: bytes, digest: "", start: 0, end: bytes.length },
  };
}

function sizeOf(blob: ServedBlob): number {
  return blob instanceof Uint8Array ? blob.length : blob.size;
}

function whole(blob: ServedBlob, digest: string, type: string): Answer {
  const size = sizeOf(blob);
  return {
    status: 200,
    headers: {
      "content-type": type,
      "content-length": String(size),
      "docker-content-digest": digest,
      etag: `"${digest}"`,
      "accept-ranges": "bytes",
    },
    body: { blob, digest, start: 0, end: size },
  };
}
