/** A public key that checks signatures as sigstore makes them: over SHA-256, or over the bytes themselves for Ed25519. */
export interface PublicKey {
  name: string;
  /** SubjectPublicKeyInfo. */
  der: Uint8Array;
  verify(signature: Uint8Array, data: Uint8Array): Promise<boolean>;
}

const PEM = /-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----/;

const CURVES: { name: string; bytes: number }[] = [
  { name: "P-256", bytes: 32 },
  { name: "P-384", bytes: 48 },
  { name: "P-521", bytes: 66 },
];

/** PEM files with a public key each. @throws naming the one that is none. */
export async function readPublicKeys(files: { name: string; data: string }[]): Promise<PublicKey[]> {
  return await Promise.all(files.map(async ({ name, data }) => {
    const body = PEM.exec(new TextDecoder().decode(Uint8Array.fromBase64(data)))?.[1];
    if (body === undefined) throw new Error(`${name} has no public key in PEM form (-----BEGIN PUBLIC KEY-----)`);
    return await readPublicKey(name, Uint8Array.fromBase64(body.replace(/\s/g, "")));
  }));
}

/** @param spki SubjectPublicKeyInfo. @throws for a key of a kind that is not supported. */
export async function readPublicKey(name: string, spki: Uint8Array): Promise<PublicKey> {
  const der = owned(spki);
  const key = (algorithm: Parameters<typeof crypto.subtle.importKey>[2]) =>
    crypto.subtle.importKey("spki", der, algorithm, false, ["verify"]).catch(() => undefined);
  for (const curve of CURVES) {
    const found = await key({ name: "ECDSA", namedCurve: curve.name });
    if (!found) continue;
    return {
      name,
      der,
      verify: async (signature, data) => {
        const raw = rawSignature(signature, curve.bytes);
        return raw !== undefined &&
          await crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, found, raw, owned(data));
      },
    };
  }
  for (const algorithm of [{ name: "Ed25519" }, { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }]) {
    const found = await key(algorithm);
    if (found) {
      return {
        name,
        der,
        verify: (signature, data) => crypto.subtle.verify(algorithm.name, found, owned(signature), owned(data)),
      };
    }
  }
  throw new Error(`${name} is a public key of a kind that is not supported: use ECDSA, Ed25519 or RSA`);
}

/** An ECDSA signature in DER (SEQUENCE of two INTEGERs) as WebCrypto wants it: two numbers of the curve's length. */
export function rawSignature(der: Uint8Array, length: number): Uint8Array<ArrayBuffer> | undefined {
  let at = 0;
  const readLength = (): number => {
    const first = der[at++];
    if (first < 0x80) return first;
    return first === 0x81 ? der[at++] : NaN;
  };
  const readInteger = (): Uint8Array | undefined => {
    if (der[at++] !== 0x02) return undefined;
    const count = readLength();
    if (!(count > 0) || at + count > der.length) return undefined;
    let number = der.subarray(at, at + count);
    at += count;
    if ((number[0] & 0x80) !== 0) return undefined;
    if (number[0] === 0 && number.length > 1) number = number.subarray(1);
    return number.length <= length ? number : undefined;
  };
  if (der[at++] !== 0x30 || readLength() !== der.length - at) return undefined;
  const [r, s] = [readInteger(), readInteger()];
  if (!r || !s || at !== der.length) return undefined;
  const raw = new Uint8Array(2 * length);
  raw.set(r, length - r.length);
  raw.set(s, 2 * length - s.length);
  return raw;
}

function owned(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}
