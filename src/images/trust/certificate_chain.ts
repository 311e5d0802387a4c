import { equals } from "@std/bytes";
import {
  ALTERNATIVE_NAMES,
  authority,
  BASIC_CONSTRAINTS,
  type Certificate,
  EXTENDED_KEY_USAGE,
  extendedKeyUsages,
  isSignedBy,
  KEY_USAGE,
} from "./certificate.ts";

const CODE_SIGNING = "1.3.6.1.5.5.7.3.3";
const ANY_USAGE = "2.5.29.37.0";
/** Extensions whose meaning is kept to: a critical one besides makes a certificate unusable (RFC 5280, 4.2). */
const KNOWN = [BASIC_CONSTRAINTS, KEY_USAGE, EXTENDED_KEY_USAGE, ALTERNATIVE_NAMES];
/** Names that an authority may sign for; not looked at, so an authority that has them is not taken. */
const NAME_CONSTRAINTS = "2.5.29.30";
const MAX_DEPTH = 6;

/**
 * Why there is no way from a certificate for signing code to one of the authorities, or nothing.
 * @param time at which all of them must have been valid, in milliseconds since the epoch.
 */
export function chainProblem(
  leaf: Certificate,
  intermediates: Certificate[],
  authorities: Certificate[],
  time: number,
): string | undefined {
  if (!extendedKeyUsages(leaf)?.includes(CODE_SIGNING)) return "its certificate is not for signing code";
  const problem = ownProblem(leaf, time);
  if (problem !== undefined) return `its certificate ${problem}`;
  const problems = new Set<string>();
  if (leads(leaf, 0, { intermediates, authorities, time, problems })) return undefined;
  const why = problems.size === 0 ? "" : ` (${[...problems].slice(0, 3).join("; ")})`;
  return `its certificate is not from one of the rule's authorities${why}`;
}

interface Search {
  intermediates: Certificate[];
  authorities: Certificate[];
  time: number;
  problems: Set<string>;
}

/** @param below authorities between the leaf and this certificate, which is one itself unless it is the leaf. */
function leads(certificate: Certificate, below: number, search: Search): boolean {
  const { authorities, intermediates, time, problems } = search;
  for (const [candidates, isLast] of [[authorities, true], [intermediates, false]] as const) {
    for (const issuer of candidates) {
      if (!equals(issuer.subject, certificate.issuer) || !isSignedBy(certificate, issuer)) continue;
      const problem = ownProblem(issuer, time) ?? authorityProblem(issuer, below);
      if (problem !== undefined) problems.add(`an authority ${problem}`);
      else if (isLast || below < MAX_DEPTH && leads(issuer, below + 1, search)) return true;
    }
  }
  return false;
}

function ownProblem({ notBefore, notAfter, extensions }: Certificate, time: number): string | undefined {
  if (time < notBefore || time > notAfter) {
    const iso = (milliseconds: number) => new Date(milliseconds).toISOString();
    return `was valid from ${iso(notBefore)} to ${iso(notAfter)}, and not when the log took the signature, ${
      iso(time)
    }`;
  }
  const unknown = [...extensions].find(([id, { critical }]) => critical && !KNOWN.includes(id));
  return unknown && `has the critical extension ${unknown[0]}, which is not known here`;
}

function authorityProblem(issuer: Certificate, below: number): string | undefined {
  const { isAuthority, below: most } = authority(issuer);
  if (!isAuthority) return "may not sign certificates";
  if (below > most) return `may have ${most} authorities below it, and has ${below}`;
  if (issuer.extensions.has(NAME_CONSTRAINTS)) return "has name constraints, which are not supported";
  const usages = extendedKeyUsages(issuer);
  if (usages && !usages.includes(CODE_SIGNING) && !usages.includes(ANY_USAGE)) return "is not for signing code";
  return undefined;
}
