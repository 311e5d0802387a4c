import { Code, RpcError } from "../../rpc/status.ts";
import type { Endpoint } from "../child_events.ts";
import { formatReference, type Reference } from "../reference.ts";
import { findRule, type MirrorRule, type RegistryRule, type RegistryRules, rewrite } from "./rules.ts";

/** One place to ask for an image, before anything is known of credentials and certificates. */
export interface Place {
  endpoint: Endpoint;
  /** The image as this place knows it. */
  reference: Reference;
  /** As image names, folders of certificates and auth files call it. */
  host: string;
  /** It is the registry that the image's name says: the only one that is shown what came with the request and names no server. */
  mayHaveRequestAuth: boolean;
  why: string;
}

/** Names whose servers go by another one. */
const SERVERS: Record<string, string> = { "docker.io": "registry-1.docker.io" };

/**
 * Mirrors that are for this kind of pull, in order, then the registry itself.
 * @throws {RpcError} FAILED_PRECONDITION when a rule blocks the image.
 */
export function placesOf(reference: Reference, { rules }: RegistryRules): Place[] {
  const rule = findRule(rules, reference);
  if (!rule) return [registry(reference, undefined)];
  if (rule.blocked) {
    throw new RpcError(
      Code.FAILED_PRECONDITION,
      `the registry of ${formatReference(reference)} is blocked (${rule.prefix}, ${rule.origin})`,
    );
  }
  const mirrors = rule.mirrors.filter((mirror) => isFor(mirror, reference));
  return [...mirrors.map((mirror) => mirrorPlace(reference, rule, mirror)), registry(reference, rule)];
}

function registry(asked: Reference, rule: RegistryRule | undefined): Place {
  const reference = rule ? rewrite(asked, rule.prefix, rule.location) : asked;
  const rewritten = reference.domain !== asked.domain || reference.path !== asked.path;
  const where = rewritten
    ? `the registry's location, ${rule!.origin}`
    : rule
    ? `the registry, ${rule.origin}`
    : "the registry";
  return {
    endpoint: endpointOf(reference, asked, rule?.insecure ?? false, rule?.plainHttp ?? false),
    reference,
    host: reference.domain,
    mayHaveRequestAuth: reference.domain === asked.domain,
    why: where,
  };
}

function mirrorPlace(asked: Reference, rule: RegistryRule, mirror: MirrorRule): Place {
  if ("url" in mirror) {
    const host = new URL(mirror.url).host;
    return {
      endpoint: { url: mirror.url, mirrorOf: asked.domain, namespace: asked.domain },
      reference: { ...asked, domain: host },
      host,
      mayHaveRequestAuth: false,
      why: `mirror, ${rule.origin}`,
    };
  }
  const reference = rewrite(asked, rule.prefix, mirror.location);
  return {
    endpoint: { ...endpointOf(reference, asked, mirror.insecure, false), mirrorOf: asked.domain },
    reference,
    host: reference.domain,
    mayHaveRequestAuth: false,
    why: `mirror, ${rule.origin}`,
  };
}

function endpointOf(reference: Reference, asked: Reference, insecure: boolean, plainHttp: boolean): Endpoint {
  const endpoint: Endpoint = {
    url: `${plainHttp ? "http" : "https"}://${SERVERS[reference.domain] ?? reference.domain}`,
    host: reference.domain,
  };
  if (insecure) endpoint.insecure = true;
  if (reference.path !== asked.path) endpoint.repository = reference.path;
  if (reference.tag !== asked.tag && reference.tag !== undefined) endpoint.tag = reference.tag;
  return endpoint;
}

/** A digest holds a mirror to the registry's bytes; a tag it may have an older notion of. */
function isFor(mirror: MirrorRule, { digest }: Reference): boolean {
  if ("url" in mirror || mirror.pullFrom === "all") return true;
  return (mirror.pullFrom === "digest-only") === (digest !== undefined);
}
