import { formatReference, parseReference, type Reference, repositoryName } from "../reference.ts";
import type { SignedIdentity } from "./types.ts";

/** Why a signature made for `signed` does not do for the image wanted as `wanted`, or nothing. */
export function identityMismatch(identity: SignedIdentity, wanted: string, signed: string): string | undefined {
  const name = readName(signed);
  if (!name) return `it is made for ${JSON.stringify(signed.slice(0, 200))}, which is no image name`;
  const intended = parseReference(wanted);
  if (matches(identity, intended, name)) return undefined;
  return `it is made for ${signed}, which ${identity.type} does not accept for ${wanted}${
    advice(identity, intended, name)
  }`;
}

interface SignedName {
  reference: Reference;
  /** Neither tag nor digest. */
  isRepository: boolean;
}

function readName(text: string): SignedName | undefined {
  try {
    const isRepository = !text.includes("@") && !text.slice(text.lastIndexOf("/") + 1).includes(":");
    return { reference: parseReference(text), isRepository };
  } catch {
    return undefined;
  }
}

function matches(identity: SignedIdentity, intended: Reference, signed: SignedName): boolean {
  switch (identity.type) {
    case "matchExact":
      return isSame(intended, signed);
    case "matchRepoDigestOrExact":
      return matchesRepoDigestOrExact(intended, signed);
    case "matchRepository":
      return repositoryName(intended) === repositoryName(signed.reference);
    case "exactReference": {
      const wanted = readName(identity.reference);
      return wanted !== undefined && !wanted.isRepository && isSame(wanted.reference, signed);
    }
    case "exactRepository": {
      const wanted = readName(identity.repository);
      return wanted !== undefined && repositoryName(wanted.reference) === repositoryName(signed.reference);
    }
    case "remapIdentity":
      return matchesRepoDigestOrExact(remapped(intended, identity.prefix, identity.signedPrefix), signed);
  }
}

/** A digest already says what is wanted: the repository has to be right. */
function matchesRepoDigestOrExact(intended: Reference, signed: SignedName): boolean {
  return intended.digest === undefined
    ? isSame(intended, signed)
    : repositoryName(intended) === repositoryName(signed.reference);
}

function isSame(intended: Reference, { reference, isRepository }: SignedName): boolean {
  return !isRepository && formatReference(intended) === formatReference(reference);
}

function remapped(intended: Reference, prefix: string, signedPrefix: string): Reference {
  const name = formatReference(intended);
  const rest = name.slice(prefix.length);
  if (!name.startsWith(prefix) || !(rest === "" || /^[/:@]/.test(rest))) return intended;
  // A registry's port is part of its name, not the start of a tag.
  if (rest.startsWith(":") && !prefix.includes("/")) return intended;
  return parseReference(signedPrefix + rest);
}

function advice(identity: SignedIdentity, intended: Reference, signed: SignedName): string {
  const isUsual = identity.type === "matchExact" || identity.type === "matchRepoDigestOrExact";
  if (!isUsual || !signed.isRepository || repositoryName(intended) !== repositoryName(signed.reference)) return "";
  return ' (cosign signs for a repository without a tag: use signedIdentity {"type": "matchRepository"})';
}
