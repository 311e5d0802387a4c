/** Makes certificates as an authority does, good and bad ones, whatever `openssl` would refuse to make. */
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";

/** When the log of the tests takes signatures; certificates are made for the minutes around it. */
export const LOGGED_AT = 1_700_000_000;
const MINUTE = 60;

export const OIDC_ISSUER = "https://accounts.example.com";
export const EMAIL = "robot@example.com";
const [CODE_SIGNING, SERVER_AUTH] = ["1.3.6.1.5.5.7.3.3", "1.3.6.1.5.5.7.3.1"];

export interface Certified {
  pem: string;
  name: string;
  key: KeyObject;
}

export interface CertificateOptions {
  name?: string;
  /** Default: itself. */
  issuer?: Certified;
  /** Who is named as issuer, where that is a lie. */
  issuerName?: string;
  /** Seconds since the epoch. */
  notBefore?: number;
  notAfter?: number;
  curve?: "P-256" | "P-384";
  extensions?: Extension[];
  /** The bytes that are signed, changed after they were. */
  spoil?: boolean;
}

type Extension = [id: string, value: Uint8Array, critical?: boolean];

export function certificate(options: CertificateOptions): Certified {
  const { name = "someone", issuer, curve = "P-256", notBefore, notAfter, extensions = [] } = options;
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: curve });
  const signer = issuer?.key ?? privateKey;
  const isLarge = signer.asymmetricKeyDetails?.namedCurve === "secp384r1";
  const algorithm = sequence(identifier(isLarge ? "1.2.840.10045.4.3.3" : "1.2.840.10045.4.3.2"));
  const body = sequence(
    der(0xa0, der(0x02, bytes(2))),
    der(0x02, crypto.getRandomValues(bytes(0, 0, 0, 0)).map((byte) => byte & 0x7f | 1)),
    algorithm,
    distinguished(options.issuerName ?? issuer?.name ?? name),
    sequence(utcTime(notBefore ?? LOGGED_AT - MINUTE), utcTime(notAfter ?? LOGGED_AT + 9 * MINUTE)),
    distinguished(name),
    new Uint8Array(publicKey.export({ type: "spki", format: "der" })),
    ...extensions.length === 0 ? [] : [der(0xa3, sequence(...extensions.map(extension)))],
  );
  const signature = new Uint8Array(sign(isLarge ? "sha384" : "sha256", body, signer));
  if (options.spoil) body[body.length - 1] ^= 1;
  const whole = sequence(body, algorithm, der(0x03, bytes(0), signature));
  const base64 = whole.toBase64().replace(/.{64}/g, "$&\n");
  return { pem: `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`, name, key: privateKey };
}

const YEAR = 365 * 86_400;

/** An authority, valid for years; the first of its kind without an `issuer`. */
export function authority(options: CertificateOptions & { below?: number; isAuthority?: boolean } = {}): Certified {
  const { below, isAuthority = true } = options;
  const constraints = sequence(
    der(0x01, bytes(isAuthority ? 0xff : 0)),
    ...below === undefined ? [] : [der(0x02, bytes(below))],
  );
  return certificate({
    name: "authority",
    curve: "P-384",
    notBefore: LOGGED_AT - YEAR,
    notAfter: LOGGED_AT + YEAR,
    ...options,
    extensions: [
      ["2.5.29.19", constraints, true],
      ["2.5.29.15", der(0x03, bytes(1, 0x06)), true],
      ...options.extensions ?? [],
    ],
  });
}

/** What Fulcio gives: for a few minutes, for an e-mail address and the issuer that vouches for it. */
export function signing(
  issuer: Certified,
  { email = EMAIL, oidcIssuer = OIDC_ISSUER, oldIssuer = oidcIssuer, server = false, ...options }:
    & CertificateOptions
    & {
      email?: string;
      oidcIssuer?: string;
      oldIssuer?: string;
      server?: boolean;
    } = {},
): Certified {
  return certificate({
    name: "signer",
    issuer,
    ...options,
    extensions: [
      ["2.5.29.15", der(0x03, bytes(7, 0x80)), true],
      ["2.5.29.37", sequence(identifier(server ? SERVER_AUTH : CODE_SIGNING))],
      ["2.5.29.17", sequence(der(0x81, utf8(email))), true],
      ...oldIssuer === "" ? [] : [["1.3.6.1.4.1.57264.1.1", utf8(oldIssuer)] as Extension],
      ...oidcIssuer === "" ? [] : [["1.3.6.1.4.1.57264.1.8", der(0x0c, utf8(oidcIssuer))] as Extension],
      ...options.extensions ?? [],
    ],
  });
}

/** An extension that nobody knows. */
export const unknown = (critical: boolean): Extension => ["1.2.3.4.5", bytes(0x05, 0), critical];
/** Names that an authority may sign for. */
export const nameConstraints: Extension = ["2.5.29.30", bytes(0x30, 0)];

export function signWith({ key }: Certified, data: Uint8Array): Uint8Array {
  return new Uint8Array(sign("sha256", data, key));
}

function extension([id, value, critical = false]: Extension): Uint8Array {
  return sequence(identifier(id), ...critical ? [der(0x01, bytes(0xff))] : [], der(0x04, value));
}

function distinguished(name: string): Uint8Array {
  return sequence(der(0x31, sequence(identifier("2.5.4.3"), der(0x0c, utf8(name)))));
}

function utcTime(seconds: number): Uint8Array {
  return der(0x17, utf8(new Date(seconds * 1000).toISOString().replace(/^20|[-:T]|\.\d+/g, "")));
}

function identifier(text: string): Uint8Array {
  const [first, second, ...rest] = text.split(".").map(Number);
  return der(0x06, bytes(...[40 * first + second, ...rest].flatMap(base128)));
}

function base128(value: number): number[] {
  const digits = [value % 128];
  for (let left = Math.floor(value / 128); left > 0; left = Math.floor(left / 128)) digits.unshift(left % 128 | 0x80);
  return digits;
}

function sequence(...parts: Uint8Array[]): Uint8Array {
  return der(0x30, ...parts);
}

function der(tag: number, ...parts: Uint8Array[]): Uint8Array {
  const content = bytes(...parts.flatMap((part) => [...part]));
  const { length } = content;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return bytes(tag, ...size, ...content);
}

function bytes(...values: number[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(values);
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
