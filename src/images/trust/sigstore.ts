import { messageOf } from "../../rpc/status.ts";
import { payloadMismatch } from "./payload.ts";
import { type PublicKey, readPublicKeys } from "./public_key.ts";
import { logProblem } from "./transparency_log.ts";
import type { SignatureFinding, SignatureTask, VerifyTask } from "./types.ts";

type SigstoreSignature = Extract<VerifyTask["signatures"][number], { kind: "sigstore" }>;

export interface SigstoreKeys {
  signers: PublicKey[];
  logs: PublicKey[];
}

export async function readSigstoreKeys({ keys, logKeys }: SignatureTask): Promise<SigstoreKeys> {
  return { signers: await readPublicKeys(keys), logs: await readPublicKeys(logKeys) };
}

/** A signature over the payload by one of the keys and, where the rule asks for it, a transparency log's promise. */
export async function checkSigstore(
  { signers, logs }: SigstoreKeys,
  signature: SigstoreSignature,
  requirement: SignatureTask,
  task: VerifyTask,
): Promise<SignatureFinding> {
  const { from } = signature;
  const refused = (reason: string): SignatureFinding => ({ from, accepted: false, reason });
  try {
    const payload = Uint8Array.fromBase64(signature.payload);
    const bytes = Uint8Array.fromBase64(signature.signature);
    const signer = await firstWhere(signers, (key) => key.verify(bytes, payload));
    if (!signer) return refused("none of the rule's keys made it");
    if (logs.length > 0) {
      const problem = await logProblem(signature.bundle, logs, { signer, signature: bytes, payload });
      if (problem !== undefined) return refused(problem);
    }
    const mismatch = payloadMismatch(payload, "sigstore", requirement.identity, task);
    return mismatch === undefined ? { from, accepted: true, reason: `signed by ${signer.name}` } : refused(mismatch);
  } catch (error) {
    return refused(`it cannot be read: ${messageOf(error)}`);
  }
}

async function firstWhere<T>(items: T[], test: (item: T) => Promise<boolean>): Promise<T | undefined> {
  for (const item of items) if (await test(item)) return item;
  return undefined;
}
