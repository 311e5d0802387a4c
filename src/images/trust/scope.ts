import { formatReference, type Reference, repositoryName } from "../reference.ts";

/**
 * The scopes that hold for a name, the most special first: the whole name, its repository, the folders above it, the
 * registry. With tag and digest, the digest counts, as everywhere.
 */
export function scopesOf(reference: Reference): string[] {
  const scopes = [identityOf(reference)];
  for (let name = repositoryName(reference);;) {
    scopes.push(name);
    const slash = name.lastIndexOf("/");
    if (slash < 0) return scopes;
    name = name.slice(0, slash);
  }
}

/** The scopes with an asterisk for the registry's first labels, the most special first: a port does not count. */
export function wildcardsOf({ domain }: Reference): string[] {
  if (domain.startsWith("[")) return [];
  const labels = domain.replace(/:[0-9]+$/, "").split(".");
  return labels.slice(1).map((_, index) => `*.${labels.slice(index + 1).join(".")}`);
}

/** The name as a policy sees it: with a tag or a digest, never both. */
export function identityOf(reference: Reference): string {
  return formatReference(reference.digest === undefined ? reference : { ...reference, tag: undefined });
}

const HOST = "(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\\[[0-9A-Fa-f:]+\\])(?::[0-9]{1,5})?";
const REST = "(?:/[a-z0-9._-]+)*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}|@sha256:[0-9a-f]{64})?";
const SCOPE = new RegExp(`^${HOST}${REST}$`);
const WILDCARD = /^\*\.[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$/;

/** What is wrong with a scope, or nothing. */
export function checkScope(scope: string): string | undefined {
  if (scope.startsWith("*")) {
    return WILDCARD.test(scope)
      ? undefined
      : "has an asterisk that does not stand for the first parts of a domain (*.example.com)";
  }
  return SCOPE.test(scope) ? undefined : "is not a registry, namespace, repository or image";
}
