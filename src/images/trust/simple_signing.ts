import type { Key } from "openpgp";
import { messageOf } from "../../rpc/status.ts";
import { payloadMismatch } from "./payload.ts";
import type { SignatureFinding, SignatureTask, VerifyTask } from "./types.ts";

type OpenPgp = typeof import("openpgp");
type SimpleSignature = Extract<VerifyTask["signatures"][number], { kind: "simple" }>;

const MAX_PAYLOAD = 1 << 20;
const ARMOR = "-----BEGIN PGP";

/** The keys of key rings, armored or binary. @throws naming the ring that cannot be read. */
export async function readKeyRings(openpgp: OpenPgp, rings: SignatureTask["keys"]): Promise<Key[]> {
  const keys: Key[] = [];
  for (const { name, data } of rings) {
    const bytes = Uint8Array.fromBase64(data);
    const text = new TextDecoder().decode(bytes);
    try {
      const ring = text.includes(ARMOR)
        ? openpgp.readKeys({ armoredKeys: text })
        : openpgp.readKeys({ binaryKeys: bytes });
      keys.push(...await ring);
    } catch (cause) {
      throw new Error(`${name} is not an OpenPGP key ring: ${messageOf(cause)}`, { cause });
    }
  }
  return keys;
}

/** An OpenPGP message with exactly one signature, by a key of the rings, valid when it was made and not expired now. */
export async function checkSimple(
  openpgp: OpenPgp,
  keys: Key[],
  signature: SimpleSignature,
  requirement: SignatureTask,
  task: VerifyTask,
): Promise<SignatureFinding> {
  const { from } = signature;
  const refused = (reason: string): SignatureFinding => ({ from, accepted: false, reason });
  try {
    const message = await openpgp.readMessage({
      binaryMessage: Uint8Array.fromBase64(signature.message),
      config: { maxDecompressedMessageSize: MAX_PAYLOAD },
    });
    const { data, signatures } = await openpgp.verify({ message, verificationKeys: keys, format: "binary" });
    if (signatures.length !== 1) return refused(`it holds ${signatures.length} signatures, not one`);
    const [{ keyID, verified }] = signatures;
    const signer = keyID.toHex().toUpperCase();
    const signers = keys.filter((key) => key.getKeys(keyID).length > 0);
    if (signers.length === 0) return refused(`key ${signer} is not in the rule's key rings`);
    try {
      await verified;
      // That a key was good when it signed is not enough: one that has expired or was revoked since is not trusted.
      for (const key of signers) await key.getSigningKey(keyID);
    } catch (error) {
      return refused(`its signature by key ${signer} is not valid: ${messageOf(error)}`);
    }
    const mismatch = payloadMismatch(data as Uint8Array, "simple", requirement.identity, task);
    return mismatch === undefined ? { from, accepted: true, reason: `signed by key ${signer}` } : refused(mismatch);
  } catch (error) {
    return refused(`it cannot be read: ${messageOf(error)}`);
  }
}
