import { equals } from "@std/bytes";
import { createHash } from "node:crypto";
import { object, parseObject } from "../documents.ts";
import type { PublicKey } from "./public_key.ts";

interface Signed {
  signature: Uint8Array;
  payload: Uint8Array;
  /** True for the signer's key, or certificate, as the log has it in PEM. */
  isSigner: (pem: string) => Promise<boolean>;
}

/**
 * Whether a transparency log (Rekor) has promised to have this signature in it, and when. It is checked offline: the log's key
 * has signed the entry, and the entry is about this signature, this payload and this signer.
 * @param bundle as the annotation `dev.sigstore.cosign/bundle` has it.
 * @returns what is wrong, or when the log took it, in milliseconds since the epoch.
 */
export async function checkLog(
  bundle: string,
  logs: PublicKey[],
  signed: Signed,
): Promise<{ problem: string } | { time: number }> {
  if (bundle === "") return { problem: "it carries no promise of a transparency log (the rule has rekorPublicKey…)" };
  const document = parseObject(new TextEncoder().encode(bundle), "its bundle");
  const { body, integratedTime, logIndex, logID } = object(document.Payload, "Payload");
  const promise = document.SignedEntryTimestamp;
  if (typeof promise !== "string" || typeof body !== "string") return { problem: "its bundle is not complete" };
  // The log signs the entry as canonical JSON: keys in order, no spaces.
  const entry = new TextEncoder().encode(JSON.stringify({ body, integratedTime, logID, logIndex }));
  const timestamp = Uint8Array.fromBase64(promise);
  const checks = await Promise.all(logs.map((log) => log.verify(timestamp, entry)));
  if (!checks.includes(true)) return { problem: "none of the rule's log keys made the promise in its bundle" };
  const problem = await entryProblem(Uint8Array.fromBase64(body), signed);
  if (problem !== undefined) return { problem };
  if (!Number.isSafeInteger(integratedTime) || (integratedTime as number) <= 0) {
    return { problem: "its log entry does not say when it was made" };
  }
  return { time: (integratedTime as number) * 1000 };
}

async function entryProblem(body: Uint8Array, { signature, payload, isSigner }: Signed): Promise<string | undefined> {
  const entry = parseObject(body, "the log entry");
  if (entry.kind !== "hashedrekord" || entry.apiVersion !== "0.0.1") return "its log entry is of an unknown kind";
  const spec = object(entry.spec, "spec");
  const hash = object(object(spec.data, "data").hash, "hash");
  if (hash.algorithm !== "sha256" || hash.value !== createHash("sha256").update(payload).digest("hex")) {
    return "its log entry is about another payload";
  }
  const logged = object(spec.signature, "signature");
  if (typeof logged.content !== "string" || !equals(Uint8Array.fromBase64(logged.content), signature)) {
    return "its log entry is about another signature";
  }
  const { content } = object(logged.publicKey, "publicKey");
  const pem = new TextDecoder().decode(Uint8Array.fromBase64(String(content)));
  return await isSigner(pem) ? undefined : "its log entry is about another key";
}
