import { assert, assertEquals } from "@std/assert";
import * as openpgp from "openpgp";
import { evaluate } from "../../../../src/images/trust/verify_child.ts";
import type { Signature, SignatureTask, VerifyTask } from "../../../../src/images/trust/types.ts";
import { hasGpg, logBundle, payload, Signer, sigstoreKey } from "./signing.ts";

const DIGEST = `sha256:${"1".repeat(64)}`;
const NAME = "h.io/app:1";
const COSIGN = "cosign container image signature";
const base64 = (text: string) => new TextEncoder().encode(text).toBase64();

function judge(
  type: SignatureTask["type"],
  keys: string[],
  signatures: Signature[],
  changes: Partial<SignatureTask> = {},
): Promise<{ satisfied: boolean; reason: string }> {
  const requirement: SignatureTask = {
    type,
    keys: keys.map((key) => ({ name: "the key", data: base64(key) })),
    logKeys: [],
    identity: { type: "matchRepoDigestOrExact" },
    ...changes,
  };
  const task: VerifyTask = { reference: NAME, digests: [DIGEST], requirements: [requirement], signatures };
  return evaluate(openpgp, requirement, task);
}

const simple = (message: Uint8Array): Signature => ({ kind: "simple", from: "test", message: message.toBase64() });

async function withSigner(
  test: (signer: Signer, folder: string) => Promise<void>,
  options?: Parameters<typeof Signer.create>[1],
): Promise<void> {
  const folder = await Deno.makeTempDir();
  {
    await using signer = await Signer.create(`${folder}/a`, options);
    await test(signer, folder);
  }
  await Deno.remove(folder, { recursive: true });
}

Deno.test("evaluate() accepts what gpg has signed, by RSA and by Ed25519", { ignore: !hasGpg }, async () => {
  for (const algorithm of ["rsa2048", "ed25519"]) {
    await withSigner(async (signer) => {
      const good = await judge("signedBy", [signer.publicKey], [simple(await signer.sign(payload(DIGEST, NAME)))]);
      assert(good.satisfied, good.reason);
      assert(good.reason.startsWith("signed by key "), good.reason);
    }, { algorithm });
  }
});

Deno.test("evaluate() refuses signatures of gpg that do not fit, and says why", { ignore: !hasGpg }, async () => {
  await withSigner(async (signer, folder) => {
    await using other = await Signer.create(`${folder}/b`);
    const message = await signer.sign(payload(DIGEST, NAME));
    const reason = async (bytes: Uint8Array, keys = [signer.publicKey]) => {
      const finding = await judge("signedBy", keys, [simple(bytes)]);
      assertEquals(finding.satisfied, false);
      return finding.reason;
    };
    const matches = (text: string, part: string) => assert(text.includes(part), text);
    matches(await reason(message, [other.publicKey]), "is not in the rule's key rings");
    matches(await reason(await signer.sign(payload(DIGEST, "h.io/app:2"))), "is made for h.io/app:2");
    matches(await reason(await signer.sign(payload(`sha256:${"2".repeat(64)}`, NAME))), "another image");
    matches(await reason(await signer.sign(payload(DIGEST, NAME, COSIGN))), "critical.type");
    matches(await reason(await signer.sign(new TextEncoder().encode("{}"))), "critical is not a JSON object");
    const more = JSON.stringify({ ...JSON.parse(new TextDecoder().decode(payload(DIGEST, NAME))), more: 1 });
    matches(await reason(await signer.sign(new TextEncoder().encode(more))), 'unknown key "more"');
    matches(await reason(payload(DIGEST, NAME)), "cannot be read");
    matches(await reason(new Uint8Array()), "cannot be read");
    for (let at = message.length - 200; at < message.length; at += 20) {
      await reason(message.map((byte, index) => index === at ? byte ^ 1 : byte));
    }
    matches((await judge("signedBy", ["no key"], [simple(message)])).reason, "the key is not an OpenPGP key ring");
    assertEquals((await judge("signedBy", [signer.publicKey], [])).reason, "no signature was found");
    // One good one among bad ones is enough, whatever their order.
    const bad = await other.sign(payload(DIGEST, NAME));
    assertEquals((await judge("signedBy", [signer.publicKey], [simple(bad), simple(message)])).satisfied, true);
    // Of the other format, it counts for nothing.
    assertEquals((await judge("sigstoreSigned", [(await sigstoreKey()).pem], [simple(message)])).satisfied, false);
  });
});

Deno.test(
  "evaluate() refuses a key that has expired since it signed, and a signature that has",
  { ignore: !hasGpg },
  async () => {
    await withSigner(async (signer) => {
      const message = await signer.sign(payload(DIGEST, NAME), ["--faked-system-time", "20200102T000000"]);
      const { satisfied, reason } = await judge("signedBy", [signer.publicKey], [simple(message)]);
      assertEquals(satisfied, false);
      assert(/expired/i.test(reason), reason);
    }, { expire: "1y", clock: "20200101T000000" });
    await withSigner(async (signer) => {
      const options = ["--faked-system-time", "20200102T000000", "--default-sig-expire", "1d"];
      const { satisfied, reason } = await judge("signedBy", [signer.publicKey], [
        simple(await signer.sign(payload(DIGEST, NAME), options)),
      ]);
      assertEquals(satisfied, false);
      assert(/expired/i.test(reason), reason);
    }, { clock: "20200101T000000" });
  },
);

Deno.test("evaluate() accepts cosign's signatures by ECDSA, Ed25519 and RSA, and no others", async () => {
  for (const kind of ["ecdsa", "ed25519", "rsa"] as const) {
    const key = await sigstoreKey(kind);
    const bytes = payload(DIGEST, NAME, COSIGN);
    const signature = await key.sign(bytes);
    const signed = (change: Partial<Extract<Signature, { kind: "sigstore" }>> = {}): Signature => ({
      kind: "sigstore",
      from: "test",
      payload: bytes.toBase64(),
      signature: signature.toBase64(),
      bundle: "",
      ...change,
    });
    const verdict = (one: Signature, pem = key.pem) => judge("sigstoreSigned", [pem], [one]);
    assertEquals((await verdict(signed())).satisfied, true, kind);
    const other = await sigstoreKey(kind);
    assertEquals(
      (await verdict(signed(), other.pem)).reason,
      "the signature is not accepted: none of the rule's keys made it",
    );
    assertEquals((await judge("sigstoreSigned", [other.pem, key.pem], [signed()])).satisfied, true);
    for (let at = 0; at < signature.length; at += 7) {
      const broken = signature.map((byte, index) => index === at ? byte ^ 0x10 : byte);
      assertEquals((await verdict(signed({ signature: broken.toBase64() }))).satisfied, false);
    }
    for (const bad of ["", "AA==", "?", signature.subarray(1).toBase64()]) {
      assertEquals((await verdict(signed({ signature: bad }))).satisfied, false);
    }
    const forged = payload(`sha256:${"2".repeat(64)}`, NAME, COSIGN);
    assertEquals((await verdict(signed({ payload: forged.toBase64() }))).satisfied, false);
    const wrong = payload(`sha256:${"2".repeat(64)}`, NAME, COSIGN);
    const { reason } = await verdict(
      signed({ payload: wrong.toBase64(), signature: (await key.sign(wrong)).toBase64() }),
    );
    assert(reason.includes("another image"), reason);
  }
  assert((await judge("sigstoreSigned", ["x"], [])).reason.includes("has no public key in PEM form"));
});

Deno.test("evaluate() with a transparency log's key wants its promise for this very signature", async () => {
  const [key, log, other] = await Promise.all([sigstoreKey(), sigstoreKey(), sigstoreKey("ed25519")]);
  const bytes = payload(DIGEST, NAME, COSIGN);
  const signature = await key.sign(bytes);
  const entry = { payload: bytes, signature, pem: key.pem };
  const verdict = (bundle: string) =>
    judge(
      "sigstoreSigned",
      [key.pem],
      [{ kind: "sigstore", from: "test", payload: bytes.toBase64(), signature: signature.toBase64(), bundle }],
      { logKeys: [{ name: "the log", data: base64(log.pem) }] },
    );
  const good = await verdict(await logBundle(log, entry));
  assert(good.satisfied, good.reason);
  assert((await verdict("")).reason.includes("no promise of a transparency log"));
  assert((await verdict(await logBundle(other, entry))).reason.includes("none of the rule's log keys"));
  const about = async (change: Partial<typeof entry>) =>
    (await verdict(await logBundle(log, { ...entry, ...change }))).reason;
  assert((await about({ payload: new Uint8Array(3) })).includes("another payload"));
  assert((await about({ signature: new Uint8Array(70) })).includes("another signature"));
  assert((await about({ pem: other.pem })).includes("another key"));
  assert((await verdict("{}")).reason.includes("cannot be read"));
});
