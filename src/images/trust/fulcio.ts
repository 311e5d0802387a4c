import { equals } from "@std/bytes";
import { type Certificate, emailAddresses, readCertificates, text } from "./certificate.ts";
import { chainProblem } from "./certificate_chain.ts";
import { readDer, UTF8_STRING } from "./der.ts";
import { type PublicKey, readPublicKey } from "./public_key.ts";
import type { SignatureTask } from "./types.ts";

/** https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md: the issuer as it is, and as a string of DER. */
const ISSUER = "1.3.6.1.4.1.57264.1.1";
const ISSUER_V2 = "1.3.6.1.4.1.57264.1.8";

/** Who may have signed, by the certificate that Fulcio gave for an identity. */
export interface FulcioRule {
  authorities: Certificate[];
  oidcIssuer: string;
  subjectEmail: string;
}

/** @throws when the file of authorities is none. */
export function readFulcio({ ca, oidcIssuer, subjectEmail }: NonNullable<SignatureTask["fulcio"]>): FulcioRule {
  const pem = new TextDecoder().decode(Uint8Array.fromBase64(ca.data));
  return { authorities: readCertificates(ca.name, pem), oidcIssuer, subjectEmail };
}

/** A signature's certificate and those between it and an authority, both in PEM; @throws for what is none. */
export function readSigner(certificate: string, chain: string): { leaf: Certificate; intermediates: Certificate[] } {
  const [leaf, ...more] = readCertificates("the signature's certificate", certificate);
  if (more.length > 0) throw new Error("it carries more than one certificate of its own");
  return { leaf, intermediates: chain === "" ? [] : readCertificates("the signature's chain", chain) };
}

/**
 * The key that a certificate is for, if it is from the rule's authority for the rule's identity.
 * @param time when the log took the signature, in milliseconds since the epoch: the certificate was valid for minutes.
 */
export async function fulcioKey(
  { authorities, oidcIssuer, subjectEmail }: FulcioRule,
  { leaf, intermediates }: { leaf: Certificate; intermediates: Certificate[] },
  time: number,
): Promise<{ problem: string } | { key: PublicKey }> {
  const problem = chainProblem(leaf, intermediates, authorities, time);
  if (problem !== undefined) return { problem };
  const issuer = issuerOf(leaf);
  if (issuer !== oidcIssuer) {
    return { problem: `its identity was confirmed by ${shown(issuer)}; the rule's oidcIssuer is ${shown(oidcIssuer)}` };
  }
  const emails = emailAddresses(leaf);
  if (!emails.includes(subjectEmail)) {
    const who = emails.map(shown).join(", ") || "no e-mail address";
    return { problem: `its certificate is for ${who}; the rule's subjectEmail is ${shown(subjectEmail)}` };
  }
  return { key: await readPublicKey(subjectEmail, leaf.publicKey) };
}

/** True when both are the same certificate. */
export function isSameCertificate(pem: string, leaf: Certificate): boolean {
  const [logged, ...more] = readCertificates("the log entry", pem);
  return more.length === 0 && equals(logged.raw, leaf.raw);
}

function issuerOf({ extensions }: Certificate): string {
  const [old, current] = [extensions.get(ISSUER), extensions.get(ISSUER_V2)];
  const found = [
    ...old ? [new TextDecoder("utf-8", { fatal: true }).decode(old.value)] : [],
    ...current ? [text(readDer(current.value, UTF8_STRING))] : [],
  ];
  if (found.length === 0) throw new Error("its certificate names no OIDC issuer, so it is not Fulcio's");
  if (new Set(found).size > 1) throw new Error("its certificate names two OIDC issuers");
  return found[0];
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 200));
}
