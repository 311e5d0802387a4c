import { equals } from "@std/bytes";
import { createPublicKey, verify } from "node:crypto";
import {
  BIT_STRING,
  BOOLEAN,
  children,
  type Der,
  expect,
  INTEGER,
  objectIdentifier,
  OCTET_STRING,
  readDer,
  SEQUENCE,
  time,
} from "./der.ts";

/** A certificate as far as chains and identities need it: https://www.rfc-editor.org/rfc/rfc5280 */
export interface Certificate {
  raw: Uint8Array;
  /** What its signature is over. */
  signed: Uint8Array;
  /** Object identifier. */
  algorithm: string;
  signature: Uint8Array;
  issuer: Uint8Array;
  subject: Uint8Array;
  /** Milliseconds since the epoch; both still count. */
  notBefore: number;
  notAfter: number;
  /** SubjectPublicKeyInfo. */
  publicKey: Uint8Array;
  /** By object identifier. */
  extensions: Map<string, { critical: boolean; value: Uint8Array }>;
}

export const BASIC_CONSTRAINTS = "2.5.29.19";
export const KEY_USAGE = "2.5.29.15";
export const EXTENDED_KEY_USAGE = "2.5.29.37";
export const ALTERNATIVE_NAMES = "2.5.29.17";

/** Hashes by signature algorithm; Ed25519 has its own. */
const HASHES: Record<string, string | null> = {
  "1.2.840.10045.4.3.2": "sha256",
  "1.2.840.10045.4.3.3": "sha384",
  "1.2.840.10045.4.3.4": "sha512",
  "1.2.840.113549.1.1.11": "sha256",
  "1.2.840.113549.1.1.12": "sha384",
  "1.2.840.113549.1.1.13": "sha512",
  "1.3.101.112": null,
};
const VERSION_3 = 2;
const PEM = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/g;

/** All certificates of a file in PEM. @throws naming it when there is none, or one that cannot be read. */
export function readCertificates(name: string, text: string): Certificate[] {
  const bodies = [...text.matchAll(PEM)].map(([, body]) => body.replace(/\s/g, ""));
  if (bodies.length === 0) throw new Error(`${name} has no certificate in PEM form (-----BEGIN CERTIFICATE-----)`);
  return bodies.map((body) => {
    try {
      return parseCertificate(Uint8Array.fromBase64(body));
    } catch (cause) {
      throw new Error(`${name} has a certificate that cannot be read: ${(cause as Error).message}`, { cause });
    }
  });
}

export function parseCertificate(raw: Uint8Array): Certificate {
  const [body, outer, signature] = children(readDer(raw, SEQUENCE));
  const parts = children(expect(body, SEQUENCE));
  const version = parts[0]?.tag === 0xa0 ? children(parts.shift()!)[0] : undefined;
  const [serial, inner, issuer, validity, subject, publicKey, ...optional] = parts;
  expect(serial, INTEGER);
  if (!equals(expect(inner, SEQUENCE).raw, expect(outer, SEQUENCE).raw)) throw new Error("it names two algorithms");
  const [notBefore, notAfter] = children(expect(validity, SEQUENCE));
  const listed = optional.find(({ tag }) => tag === 0xa3);
  if (listed && version?.content[0] !== VERSION_3) throw new Error("it has extensions, but is not of version 3");
  return {
    raw,
    signed: body.raw,
    algorithm: objectIdentifier(children(outer)[0]),
    signature: bits(signature),
    issuer: expect(issuer, SEQUENCE).raw,
    subject: expect(subject, SEQUENCE).raw,
    notBefore: time(expect(notBefore)),
    notAfter: time(expect(notAfter)),
    publicKey: expect(publicKey, SEQUENCE).raw,
    extensions: listed ? extensions(children(listed)[0]) : new Map(),
  };
}

/** True when the key of `issuer` has signed `certificate`. */
export function isSignedBy(certificate: Certificate, issuer: Certificate): boolean {
  const hash = HASHES[certificate.algorithm];
  if (hash === undefined) return false;
  try {
    const key = createPublicKey({ key: copy(issuer.publicKey), format: "der", type: "spki" });
    return verify(hash, certificate.signed, key, certificate.signature);
  } catch {
    // A key of another kind than the signature's, or one that is not supported.
    return false;
  }
}

/** The e-mail addresses of its subject. */
export function emailAddresses({ extensions }: Certificate): string[] {
  const names = extensions.get(ALTERNATIVE_NAMES);
  const RFC822_NAME = 0x81;
  return names ? children(readDer(names.value, SEQUENCE)).filter(({ tag }) => tag === RFC822_NAME).map(text) : [];
}

/** Object identifiers of what its key is for; undefined where it does not say. */
export function extendedKeyUsages({ extensions }: Certificate): string[] | undefined {
  const usage = extensions.get(EXTENDED_KEY_USAGE);
  return usage && children(readDer(usage.value, SEQUENCE)).map(objectIdentifier);
}

/** Whether it may sign certificates, and how many authorities may come below it, if it says so. */
export function authority({ extensions }: Certificate): { isAuthority: boolean; below: number } {
  const constraints = extensions.get(BASIC_CONSTRAINTS);
  const [first, second] = constraints ? children(readDer(constraints.value, SEQUENCE)) : [];
  const isAuthority = first?.tag === BOOLEAN && first.content[0] === 0xff;
  const below = second?.tag === INTEGER ? second.content.reduce((value, byte) => value * 256 + byte, 0) : Infinity;
  const usage = extensions.get(KEY_USAGE);
  const KEY_CERT_SIGN = 0x04;
  const maySign = !usage || ((bits(readDer(usage.value))[0] ?? 0) & KEY_CERT_SIGN) !== 0;
  return { isAuthority: isAuthority && maySign, below };
}

function extensions(list: Der | undefined): Certificate["extensions"] {
  const found: Certificate["extensions"] = new Map();
  for (const extension of children(expect(list, SEQUENCE))) {
    const [name, ...rest] = children(expect(extension, SEQUENCE));
    const critical = rest[0]?.tag === BOOLEAN ? rest.shift()!.content[0] === 0xff : false;
    const id = objectIdentifier(name);
    if (found.has(id)) throw new Error(`it has the extension ${id} twice`);
    found.set(id, { critical, value: expect(rest[0], OCTET_STRING).content });
  }
  return found;
}

/** Whole bytes: nothing that is signed or a key has others. */
function bits(element: Der | undefined): Uint8Array {
  return expect(element, BIT_STRING).content.subarray(1);
}

export function text({ content }: Der): string {
  return new TextDecoder("utf-8", { fatal: true }).decode(content);
}

function copy(bytes: Uint8Array): ReturnType<typeof import("node:buffer").Buffer.from> {
  return bytes.slice() as ReturnType<typeof copy>;
}
