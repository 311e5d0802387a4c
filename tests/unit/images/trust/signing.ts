/** Makes keys and signatures with the programs and formats that people sign with. */
import { encodeBase64 } from "../../../../src/images/registry/base64.ts";
import { OCI_CONFIG, OCI_MANIFEST } from "../../../../src/images/media_types.ts";
import { buildImage, json, sha256, type TestImage } from "../support.ts";

const GPG = "/usr/bin/gpg";
export const hasGpg = await Deno.stat(GPG).then(() => true, () => false);

/** What a signature says, in either format. */
export function payload(digest: string, reference: string, type = "atomic container signature"): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({
    critical: { identity: { "docker-reference": reference }, image: { "docker-manifest-digest": digest }, type },
    optional: { creator: "test", timestamp: 1_700_000_000 },
  }));
}

/** A GnuPG home with one signing key. */
export class Signer {
  readonly home: string;
  /** The exported public key, armored. */
  readonly publicKey: string;

  private constructor(home: string, publicKey: string) {
    this.home = home;
    this.publicKey = publicKey;
  }

  /** @param expire as in `gpg --quick-generate-key`; @param algorithm e.g. rsa2048, ed25519. */
  static async create(home: string, { algorithm = "rsa2048", expire = "never", clock = "" } = {}): Promise<Signer> {
    await Deno.mkdir(home, { recursive: true, mode: 0o700 });
    const faked = clock === "" ? [] : ["--faked-system-time", clock];
    await gpg(home, [...faked, "--quick-generate-key", "signer@example.com", algorithm, "sign", expire]);
    const key = await gpg(home, ["--armor", "--export", "signer@example.com"]);
    return new Signer(home, new TextDecoder().decode(key));
  }

  /** The payload and its signature in one message, as `skopeo copy --sign-by` makes it. */
  async sign(bytes: Uint8Array, options: string[] = []): Promise<Uint8Array> {
    return await gpg(this.home, [...options, "--sign", "--local-user", "signer@example.com"], bytes);
  }

  /** Ends the agent that gpg has started. */
  async [Symbol.asyncDispose](): Promise<void> {
    await new Deno.Command("gpgconf", { args: ["--homedir", this.home, "--kill", "all"], stderr: "null" }).output();
  }
}

async function gpg(home: string, args: string[], input?: Uint8Array): Promise<Uint8Array> {
  const child = new Deno.Command(GPG, {
    args: [
      "--homedir",
      home,
      "--batch",
      "--quiet",
      "--yes",
      "--pinentry-mode",
      "loopback",
      "--passphrase",
      "",
      ...args,
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  if (input) await writer.write(input);
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  if (code !== 0) throw new Error(`gpg ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return stdout;
}

/** A key pair as cosign has them. */
export interface SigstoreKey {
  pem: string;
  sign(bytes: Uint8Array): Promise<Uint8Array>;
}

type Kind = "ecdsa" | "ed25519" | "rsa";

export async function sigstoreKey(kind: Kind = "ecdsa"): Promise<SigstoreKey> {
  const algorithm = {
    ecdsa: { name: "ECDSA", namedCurve: "P-256" },
    ed25519: { name: "Ed25519" },
    rsa: { name: "RSASSA-PKCS1-v1_5", modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: "SHA-256" },
  }[kind];
  const { publicKey, privateKey } = await crypto.subtle.generateKey(algorithm, true, [
    "sign",
    "verify",
  ]) as CryptoKeyPair;
  const der = new Uint8Array(await crypto.subtle.exportKey("spki", publicKey));
  const pem = `-----BEGIN PUBLIC KEY-----\n${der.toBase64().replace(/.{64}/g, "$&\n")}\n-----END PUBLIC KEY-----\n`;
  return {
    pem,
    sign: async (bytes) => {
      const raw = new Uint8Array(
        await crypto.subtle.sign(
          kind === "ecdsa" ? { name: "ECDSA", hash: "SHA-256" } : algorithm.name,
          privateKey,
          new Uint8Array(bytes),
        ),
      );
      return kind === "ecdsa" ? derSignature(raw) : raw;
    },
  };
}

/** What a log adds when it has taken an entry; all of it in the annotation `dev.sigstore.cosign/bundle`. */
export async function logBundle(
  log: SigstoreKey,
  entry: { payload: Uint8Array; signature: Uint8Array; pem: string },
  integratedTime = 1_700_000_000,
): Promise<string> {
  const body = encodeBase64(JSON.stringify({
    apiVersion: "0.0.1",
    kind: "hashedrekord",
    spec: {
      data: { hash: { algorithm: "sha256", value: sha256(entry.payload).slice(7) } },
      signature: { content: entry.signature.toBase64(), publicKey: { content: encodeBase64(entry.pem) } },
    },
  }));
  const Payload = { body, integratedTime, logIndex: 42, logID: "c0d23d6ad406973f" };
  const { logID, logIndex } = Payload;
  const promise = await log.sign(new TextEncoder().encode(JSON.stringify({ body, integratedTime, logID, logIndex })));
  return JSON.stringify({ SignedEntryTimestamp: promise.toBase64(), Payload });
}

/** The image that cosign pushes beside another one: every signature is a layer. */
export function signatureImage(
  signatures: { payload: Uint8Array; signature: Uint8Array; bundle?: string; certificate?: string; chain?: string }[],
): TestImage {
  const { config } = buildImage([]);
  const manifest = json({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: OCI_CONFIG, digest: config.digest, size: config.bytes.length },
    layers: signatures.map(({ payload, signature, bundle, certificate, chain }) => ({
      mediaType: "application/vnd.dev.cosign.simplesigning.v1+json",
      digest: sha256(payload),
      size: payload.length,
      annotations: {
        "dev.cosignproject.cosign/signature": signature.toBase64(),
        "dev.sigstore.cosign/bundle": bundle,
        "dev.sigstore.cosign/certificate": certificate,
        "dev.sigstore.cosign/chain": chain,
      },
    })),
  });
  const layers = signatures.map(({ payload }) => ({ bytes: payload, digest: sha256(payload) }));
  const blobs = new Map([manifest, config, ...layers].map(({ digest, bytes }) => [digest, bytes]));
  return { blobs, manifest, config, diffIds: [], layers };
}

function derSignature(raw: Uint8Array): Uint8Array {
  const integer = (bytes: Uint8Array): number[] => {
    const start = bytes.findIndex((byte) => byte !== 0);
    const body = [...bytes.subarray(start)];
    if (body[0] >= 0x80) body.unshift(0);
    return [0x02, body.length, ...body];
  };
  const body = [...integer(raw.subarray(0, raw.length / 2)), ...integer(raw.subarray(raw.length / 2))];
  return new Uint8Array([0x30, body.length, ...body]);
}
