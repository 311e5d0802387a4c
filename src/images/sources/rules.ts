import { formatReference, parseReference, type Reference } from "../reference.ts";

/** Which pulls a mirror is for: those by digest cannot be given other bytes than asked for. */
export type PullFrom = "all" | "digest-only" | "tag-only";

export type MirrorRule =
  /** host[:port][/path…] that takes the place of the rule's prefix in the image's name. */
  | { location: string; insecure: boolean; pullFrom: PullFrom }
  /** http(s)://host[:port][/path] before /v2/; the image's path stays as it is. */
  | { url: string };

/** What is to be done about the images of one registry, or of a part of it. */
export interface RegistryRule {
  /** host[:port][/path…], or *.host for all below a domain: the names that the rule is for. */
  prefix: string;
  /** What takes the place of the prefix when the registry itself is asked; "": nothing does. */
  location: string;
  /** Plain HTTP may be spoken where HTTPS is not. */
  insecure: boolean;
  /** HTTPS is not tried. */
  plainHttp: boolean;
  blocked: boolean;
  mirrors: MirrorRule[];
  /** Where it is written: a line of a file, or a key of our own configuration. */
  origin: string;
}

export interface Alias {
  name: string;
  origin: string;
}

/** How a name without a registry is completed when several registries could have it. */
export type ShortNameMode = "permissive" | "enforcing" | "disabled";

/** Everything that decides where an image is looked for. Both registries.conf and our own configuration become this. */
export interface RegistryRules {
  rules: RegistryRule[];
  /** Registries for names without one; undefined where no file says any. */
  search: { registries: string[]; origin: string } | undefined;
  aliases: Map<string, Alias>;
  shortNameMode: ShortNameMode;
}

/**
 * Where in `name` the end of a matching prefix is, or -1. A prefix ends where a part of a name does: before "/", ":" or "@".
 * A `*.` stands for one or more labels of the host.
 */
export function matchPrefix(name: string, prefix: string): number {
  if (!prefix.startsWith("*.")) {
    return name.startsWith(prefix) && endsPart(name, prefix.length) ? prefix.length : -1;
  }
  const suffix = prefix.slice(1);
  const at = name.indexOf(suffix);
  if (at <= 0 || name.slice(0, at).includes("/")) return -1;
  const end = at + suffix.length;
  return endsPart(name, end) ? end : -1;
}

function endsPart(name: string, at: number): boolean {
  return at === name.length || "/:@".includes(name[at]);
}

/** The rule whose prefix reaches furthest into the name; of equals the first. */
export function findRule(rules: readonly RegistryRule[], reference: Reference): RegistryRule | undefined {
  const name = formatReference(reference);
  let found: RegistryRule | undefined;
  let furthest = 0;
  for (const rule of rules) {
    const end = matchPrefix(name, rule.prefix);
    if (end > furthest) [found, furthest] = [rule, end];
  }
  return found;
}

/**
 * The name with `location` in place of what the prefix matches.
 * @throws {RpcError} INVALID_ARGUMENT when the result is no name of an image.
 */
export function rewrite(reference: Reference, prefix: string, location: string): Reference {
  if (location === "") return reference;
  const name = formatReference(reference);
  return parseReference(location + name.slice(Math.max(0, matchPrefix(name, prefix))));
}
