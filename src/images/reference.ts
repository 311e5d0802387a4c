import { Code, RpcError } from "../rpc/status.ts";
import { isDigest } from "./digest.ts";

/** A name of an image, with every default filled in. */
export interface Reference {
  /** Registry host with its port, as in the normalised name: docker.io, [fd00::1]:5000 */
  domain: string;
  /** Repository below the host: library/busybox */
  path: string;
  tag?: string;
  /** sha256:… */
  digest?: string;
}

const DEFAULT_DOMAIN = "docker.io";
const LEGACY_DEFAULT_DOMAIN = "index.docker.io";
const OFFICIAL_PREFIX = "library/";
const MAX_NAME_LENGTH = 255;

const DOMAIN_NAME = /^[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)*(:[0-9]{1,5})?$/;
const DOMAIN_IPV6 = /^\[[a-fA-F0-9:]+\](:[0-9]{1,5})?$/;
const PATH_COMPONENT = /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127}$/;
const BARE_ID = /^[0-9a-f]{64}$/;

/**
 * Parses a name as people and the kubelet write it (busybox, quay.io/a/b:1, host:5000/a@sha256:…) and fills in docker.io,
 * library/ and, where neither tag nor digest is given, the tag `latest`.
 * Grammar: https://github.com/distribution/reference
 * @throws {RpcError} INVALID_ARGUMENT naming the part that is wrong.
 */
export function parseReference(text: string): Reference {
  if (text === "") throw invalid(text, "it is empty");
  if (text.length > MAX_NAME_LENGTH + 128 + 80) throw invalid(text.slice(0, 80) + "…", "it is too long");
  if (BARE_ID.test(text)) {
    throw invalid(text, "64 hex digits are an image ID, not a name; to pull by digest write name@sha256:…");
  }

  const at = text.indexOf("@");
  const digest = at < 0 ? undefined : text.slice(at + 1);
  if (digest !== undefined && !isDigest(digest)) {
    throw invalid(text, `the digest "${digest}" is not sha256: and 64 lower-case hex digits`);
  }

  const named = at < 0 ? text : text.slice(0, at);
  const colon = named.indexOf(":", named.lastIndexOf("/") + 1);
  const hasTag = colon >= 0;
  const tag = hasTag ? named.slice(colon + 1) : undefined;
  if (tag !== undefined && !TAG.test(tag)) {
    throw invalid(
      text,
      `the tag "${tag}" is not 1 to 128 letters, digits, "_", "." or "-" (nor may it start with "." or "-")`,
    );
  }

  const { domain, path } = splitDomain(hasTag ? named.slice(0, colon) : named);
  checkDomain(text, domain);
  for (const component of path.split("/")) {
    if (PATH_COMPONENT.test(component)) continue;
    const reason = component === ""
      ? "the repository has an empty part"
      : component !== component.toLowerCase()
      ? `the repository part "${component}" has upper-case letters`
      : `the repository part "${component}" is not lower-case letters and digits joined by ".", "_", "__" or "-"`;
    throw invalid(text, reason);
  }
  if (domain.length + 1 + path.length > MAX_NAME_LENGTH) {
    throw invalid(text, `the name is longer than ${MAX_NAME_LENGTH} characters`);
  }
  return { domain, path, tag: tag ?? (digest === undefined ? "latest" : undefined), digest };
}

/** The part before tag and digest: docker.io/library/busybox */
export function repositoryName(reference: Reference): string {
  return `${reference.domain}/${reference.path}`;
}

/** The whole normalised name; tag and digest both kept where both were given. */
export function formatReference(reference: Reference): string {
  const tag = reference.tag === undefined ? "" : `:${reference.tag}`;
  const digest = reference.digest === undefined ? "" : `@${reference.digest}`;
  return repositoryName(reference) + tag + digest;
}

/** False for a short name (busybox, team/app:1), to which a registry has to be found. */
export function hasRegistry(text: string): boolean {
  const first = text.slice(0, Math.max(0, text.indexOf("/")));
  return first !== "" &&
    (/[.:]/.test(first) || first === "localhost" || first.startsWith("[") || first !== first.toLowerCase());
}

function splitDomain(name: string): { domain: string; path: string } {
  const slash = name.indexOf("/");
  const first = slash < 0 ? "" : name.slice(0, slash);
  const isDomain = hasRegistry(name);
  let domain = isDomain ? first : DEFAULT_DOMAIN;
  let path = isDomain ? name.slice(slash + 1) : name;
  if (domain === LEGACY_DEFAULT_DOMAIN) domain = DEFAULT_DOMAIN;
  if (domain === DEFAULT_DOMAIN && !path.includes("/")) path = OFFICIAL_PREFIX + path;
  return { domain, path };
}

function checkDomain(text: string, domain: string): void {
  if (!DOMAIN_NAME.test(domain) && !DOMAIN_IPV6.test(domain)) {
    throw invalid(
      text,
      `the registry host "${domain}" is not a host name, an IPv4 address or an IPv6 address in brackets`,
    );
  }
  const port = /:([0-9]+)$/.exec(domain.replace(/^\[.*\]/, ""));
  if (port && (Number(port[1]) < 1 || Number(port[1]) > 65535)) {
    throw invalid(text, `the port ${port[1]} of the registry host is not between 1 and 65535`);
  }
}

function invalid(text: string, reason: string): RpcError {
  return new RpcError(Code.INVALID_ARGUMENT, `cannot parse image reference ${JSON.stringify(text)}: ${reason}`);
}
