import { Code, RpcError } from "../rpc/status.ts";
import { sha256Digest } from "./digest.ts";

/** A blob of an OCI artifact, kept as it came. */
export interface ArtifactBlob {
  /** Path of its file in a volume (`org.opencontainers.image.title`); "" for what is no file, as the config is none. */
  title: string;
  digest: string;
  /** Bytes. */
  size: number;
}

/** What an OCI artifact is, which is no image: https://github.com/opencontainers/image-spec/blob/main/artifacts-guidance.md */
export interface Artifact {
  /** `artifactType`, or the media type of its config. */
  type: string;
  /** The config first, then what the manifest calls layers, in its order. */
  blobs: ArtifactBlob[];
}

/** PATH_MAX and NAME_MAX of Linux, in bytes. */
const MAX_PATH = 4095;
const MAX_NAME = 255;

/** Under which a blob with its title is in the layer store: the same content may be a file by other names elsewhere. */
export function blobId({ title, digest }: Pick<ArtifactBlob, "title" | "digest">): string {
  return sha256Digest(`${digest}\0${title}`);
}

/** Why a title cannot be the path of a file in a volume, or nothing. */
export function titleProblem(title: string): string | undefined {
  const length = (text: string) => new TextEncoder().encode(text).length;
  const parts = title.split("/");
  // deno-lint-ignore no-control-regex
  if (/[\x00-\x1f\x7f]/.test(title)) return "it has control characters";
  if (title.startsWith("/") || parts.includes("..")) return "it leads out of the volume";
  if (parts.some((part) => part === "" || part === ".")) return "it has an empty part";
  if (length(title) > MAX_PATH || parts.some((part) => length(part) > MAX_NAME)) return "it is too long";
  return undefined;
}

/** Why several blobs cannot be in one volume, or nothing. */
export function titlesProblem(titles: string[]): string | undefined {
  const files = new Set<string>();
  for (const title of titles) {
    if (files.has(title)) return `two of its blobs have the title ${JSON.stringify(title)}`;
    files.add(title);
  }
  for (const title of titles) {
    for (let slash = title.indexOf("/"); slash >= 0; slash = title.indexOf("/", slash + 1)) {
      const folder = title.slice(0, slash);
      if (files.has(folder)) return `${JSON.stringify(folder)} is a file and a folder of ${JSON.stringify(title)}`;
    }
  }
  return undefined;
}

/** @throws {RpcError} FAILED_PRECONDITION for an artifact: it has nothing that could be run. */
export function requireImage(id: string, artifact: Artifact | undefined): void {
  if (!artifact) return;
  throw new RpcError(
    Code.FAILED_PRECONDITION,
    `${id} is an OCI artifact (${artifact.type}), not an image: no container can be made of it; mount it as an image volume`,
  );
}

/** @throws {RpcError} FAILED_PRECONDITION for an artifact without files. */
export function requireFiles(id: string, artifact: Artifact | undefined): void {
  if (!artifact || artifact.blobs.some(({ title }) => title !== "")) return;
  throw new RpcError(
    Code.FAILED_PRECONDITION,
    `the artifact ${id} (${artifact.type}) has no files to mount: none of its blobs has the annotation org.opencontainers.image.title`,
  );
}
