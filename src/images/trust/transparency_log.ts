import { createHash } from "node:crypto";
import { object, parseObject } from "../documents.ts";
import { type PublicKey, readPublicKeys } from "./public_key.ts";

interface Signed {
  signer: PublicKey;
  signature: Uint8Array;
  payload: Uint8Array;
}

/**
 * What is wrong with the promise of a transparency log (Rekor) to have this signature in it, or nothing. It is checked
 * offline: the log's key has signed the entry, and the entry is about this signature, this payload and this key.
 * @param bundle as the annotation `dev.sigstore.cosign/bundle` has it.
 */
export async function logProblem(bundle: string, logs: PublicKey[], signed: Signed): Promise<string | undefined> {
  if (bundle === "") return "it carries no promise of a transparency log (the rule has rekorPublicKey…)";
  const document = parseObject(new TextEncoder().encode(bundle), "its bundle");
  const { body, integratedTime, logIndex, logID } = object(document.Payload, "Payload");
  const promise = document.SignedEntryTimestamp;
  if (typeof promise !== "string" || typeof body !== "string") return "its bundle is not complete";
  // The log signs the entry as canonical JSON: keys in order, no spaces.
  const entry = new TextEncoder().encode(JSON.stringify({ body, integratedTime, logID, logIndex }));
  const timestamp = Uint8Array.fromBase64(promise);
  const checks = await Promise.all(logs.map((log) => log.verify(timestamp, entry)));
  if (!checks.includes(true)) return "none of the rule's log keys made the promise in its bundle";
  return await entryProblem(Uint8Array.fromBase64(body), signed);
}

async function entryProblem(body: Uint8Array, { signer, signature, payload }: Signed): Promise<string | undefined> {
  const entry = parseObject(body, "the log entry");
  if (entry.kind !== "hashedrekord" || entry.apiVersion !== "0.0.1") return "its log entry is of an unknown kind";
  const spec = object(entry.spec, "spec");
  const hash = object(object(spec.data, "data").hash, "hash");
  if (hash.algorithm !== "sha256" || hash.value !== createHash("sha256").update(payload).digest("hex")) {
    return "its log entry is about another payload";
  }
  const logged = object(spec.signature, "signature");
  if (typeof logged.content !== "string" || !isEqual(Uint8Array.fromBase64(logged.content), signature)) {
    return "its log entry is about another signature";
  }
  const { content } = object(logged.publicKey, "publicKey");
  const [key] = await readPublicKeys([{ name: "the log entry", data: String(content) }]);
  return isEqual(key.der, signer.der) ? undefined : "its log entry is about another key";
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
