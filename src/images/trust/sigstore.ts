import { equals } from "@std/bytes";
import { messageOf } from "../../rpc/status.ts";
import { fulcioKey, type FulcioRule, isSameCertificate, readFulcio, readSigner } from "./fulcio.ts";
import { payloadMismatch } from "./payload.ts";
import { type PublicKey, readPublicKeys } from "./public_key.ts";
import { checkLog } from "./transparency_log.ts";
import type { SignatureFinding, SignatureTask, VerifyTask } from "./types.ts";

type SigstoreSignature = Extract<VerifyTask["signatures"][number], { kind: "sigstore" }>;

export interface SigstoreKeys {
  signers: PublicKey[];
  logs: PublicKey[];
  fulcio?: FulcioRule;
}

/** Bytes of a signature, and of what it is over. */
interface Signed {
  bytes: Uint8Array;
  payload: Uint8Array;
}

export async function readSigstoreKeys({ keys, logKeys, fulcio }: SignatureTask): Promise<SigstoreKeys> {
  return {
    signers: await readPublicKeys(keys),
    logs: await readPublicKeys(logKeys),
    ...(fulcio && { fulcio: readFulcio(fulcio) }),
  };
}

/**
 * A signature over the payload by one of the keys or by a certificate of Fulcio's and, where the rule asks for it, a
 * transparency log's promise.
 */
export async function checkSigstore(
  keys: SigstoreKeys,
  signature: SigstoreSignature,
  requirement: SignatureTask,
  task: VerifyTask,
): Promise<SignatureFinding> {
  const { from } = signature;
  const refused = (reason: string): SignatureFinding => ({ from, accepted: false, reason });
  try {
    const payload = Uint8Array.fromBase64(signature.payload);
    const signed = { payload, bytes: Uint8Array.fromBase64(signature.signature) };
    const found = keys.fulcio
      ? await byCertificate(keys.fulcio, keys.logs, signature, signed)
      : await byKey(keys, signature, signed);
    if ("problem" in found) return refused(found.problem);
    const mismatch = payloadMismatch(payload, "sigstore", requirement.identity, task);
    return mismatch === undefined ? { from, accepted: true, reason: `signed by ${found.signer}` } : refused(mismatch);
  } catch (error) {
    return refused(`it cannot be read: ${messageOf(error)}`);
  }
}

async function byKey(
  { signers, logs }: SigstoreKeys,
  { bundle }: SigstoreSignature,
  { bytes, payload }: Signed,
): Promise<{ problem: string } | { signer: string }> {
  const signer = await firstWhere(signers, (key) => key.verify(bytes, payload));
  if (!signer) return { problem: "none of the rule's keys made it" };
  if (logs.length > 0) {
    const isSigner = async (pem: string) => {
      const data = new TextEncoder().encode(pem).toBase64();
      const [logged] = await readPublicKeys([{ name: "the log entry", data }]);
      return equals(logged.der, signer.der);
    };
    const checked = await checkLog(bundle, logs, { signature: bytes, payload, isSigner });
    if ("problem" in checked) return checked;
  }
  return { signer: signer.name };
}

/** The log's promise says when the certificate was used, so it comes first. */
async function byCertificate(
  rule: FulcioRule,
  logs: PublicKey[],
  { certificate = "", chain = "", bundle }: SigstoreSignature,
  { bytes, payload }: Signed,
): Promise<{ problem: string } | { signer: string }> {
  if (certificate === "") return { problem: "it carries no certificate (the rule has fulcio)" };
  const signer = readSigner(certificate, chain);
  const isSigner = async (pem: string) => isSameCertificate(pem, signer.leaf);
  const checked = await checkLog(bundle, logs, { signature: bytes, payload, isSigner });
  if ("problem" in checked) return checked;
  const found = await fulcioKey(rule, signer, checked.time);
  if ("problem" in found) return found;
  if (!await found.key.verify(bytes, payload)) return { problem: "its certificate's key did not make it" };
  return { signer: `${rule.subjectEmail} (${rule.oidcIssuer})` };
}

async function firstWhere<T>(items: T[], test: (item: T) => Promise<boolean>): Promise<T | undefined> {
  for (const item of items) if (await test(item)) return item;
  return undefined;
}
