import { messageOf, RpcError } from "../../rpc/status.ts";
import type { Kernel } from "../../sys/mod.ts";
import type { ChildPair } from "../child_pair.ts";
import type { Reference } from "../reference.ts";
import { attachmentTag } from "./attachment.ts";
import { signatureFolder, type SignaturePlace } from "./lookaside.ts";
import type { Signature } from "./types.ts";

/** Signatures of one image that are looked at, of each kind. */
const MAX_SIGNATURES = 64;
const MAX_SIGNATURE = 1 << 20;
const MAX_MANIFEST = 4 << 20;

export interface Wanted {
  reference: Reference;
  digests: string[];
  place: SignaturePlace;
  simple: boolean;
  sigstore: boolean;
}

export interface Gathered {
  signatures: Signature[];
  /** Where they were looked for. */
  looked: string[];
}

/** Fetches the signatures of a manifest, and of the index that led to it, through the children of a pull. */
export async function gatherSignatures(
  pair: ChildPair,
  kernel: Kernel,
  { reference, digests, place, simple, sigstore }: Wanted,
  signal: AbortSignal,
): Promise<Gathered> {
  const gathered: Gathered = { signatures: [], looked: [] };
  const next = async () => {
    const event = await pair.next(signal);
    if (event.event === "signature" || event.event === "absent" || event.event === "attachment") return event;
    throw new Error(`expected a signature, not ${event.event}`);
  };
  for (const digest of simple ? digests : []) {
    const folder = signatureFolder(place.lookaside, reference, digest);
    gathered.looked.push(folder);
    if (folder.startsWith("file:")) {
      gathered.signatures.push(...signaturesInFolder(kernel, folder));
      continue;
    }
    pair.send({ command: "lookaside", folder, limit: MAX_SIGNATURE, count: MAX_SIGNATURES });
    for (let event = await next(); event.event !== "absent"; event = await next()) {
      if (event.event !== "signature") throw new Error("expected a signature");
      const from = `${folder}/signature-${gathered.signatures.length + 1}`;
      gathered.signatures.push({ kind: "simple", from, message: event.data });
    }
  }
  for (const digest of sigstore && place.attachments !== false ? digests : []) {
    const tag = attachmentTag(digest);
    gathered.looked.push(`${reference.domain}/${reference.path}:${tag}`);
    pair.send({ command: "attachment", reference: tag, limit: MAX_MANIFEST });
    const event = await next();
    if (event.event !== "attachment") continue;
    for (const { blob, ...attached } of event.attachments) {
      pair.send({ command: "payload", blob });
      const payload = await next();
      if (payload.event !== "signature" || payload.digest !== blob.digest) {
        throw new Error(`the payload of a signature is not ${blob.digest}`);
      }
      gathered.signatures.push({
        kind: "sigstore",
        from: `${reference.domain}/${reference.path}@${blob.digest}`,
        payload: payload.data,
        ...attached,
      });
    }
  }
  return gathered;
}

/** A lookaside on this node itself. */
function signaturesInFolder(kernel: Kernel, folder: string): Signature[] {
  const path = decodeURIComponent(new URL(folder).pathname);
  const signatures: Signature[] = [];
  for (let number = 1; number <= MAX_SIGNATURES; number++) {
    const file = `${path}/signature-${number}`;
    if (!kernel.exists(file)) break;
    try {
      signatures.push({
        kind: "simple",
        from: `file://${file}`,
        message: kernel.readFile(file, MAX_SIGNATURE).toBase64(),
      });
    } catch (cause) {
      throw new Error(`cannot read ${file}: ${messageOf(cause)}`, { cause });
    }
  }
  return signatures;
}

/** True for what a stop of the pull, and not a signature, is the reason of. */
export function isCancelled(error: unknown, signal: AbortSignal): boolean {
  return signal.aborted || (error instanceof RpcError && error.message.startsWith("RegistryUnavailable"));
}
