import { createHash } from "node:crypto";
import { Code, RpcError } from "../rpc/status.ts";

const SHA256 = /^sha256:[0-9a-f]{64}$/;

/** `sha256:` and the hex digits of the digest of `content`. */
export function sha256Digest(content: Uint8Array | string): string {
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}

/** True for `sha256:` and 64 lower-case hex digits: the only form that may become part of a path. */
export function isDigest(text: unknown): text is string {
  return typeof text === "string" && SHA256.test(text);
}

/** @throws {RpcError} INVALID_ARGUMENT naming `what` when `text` is not a sha256 digest. */
export function requireDigest(text: unknown, what: string): string {
  if (isDigest(text)) return text;
  const shown = typeof text === "string" ? JSON.stringify(text.slice(0, 100)) : String(typeof text);
  throw new RpcError(
    Code.INVALID_ARGUMENT,
    `${what} is ${shown}, not a digest of the form sha256:<64 lower-case hex digits>`,
  );
}

/** The hex part, safe as a file name. */
export function digestHex(digest: string): string {
  return requireDigest(digest, "digest").slice("sha256:".length);
}
