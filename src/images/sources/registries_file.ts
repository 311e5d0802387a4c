import { parse } from "@std/toml";
import { messageOf } from "../../rpc/status.ts";
import { hasRegistry, parseReference } from "../reference.ts";
import type { MirrorRule, PullFrom, RegistryRule, ShortNameMode } from "./rules.ts";
import { TomlLines } from "./toml_lines.ts";

/** What one registries.conf, or a file beside it, says. What it does not mention is undefined. */
export interface RegistriesFile {
  rules: RegistryRule[];
  search?: string[];
  searchOrigin: string;
  shortNameMode?: ShortNameMode;
  /** "" takes an alias of an earlier file away. */
  aliases: Map<string, { name: string; origin: string }>;
  /** Keys that nothing here knows: `file:line: key`. */
  unknown: string[];
}

/** What is wrong with a registries.conf: `file:line: key: what`. */
export class RegistriesFileError extends Error {
  override name = "RegistriesFileError";
}

const MODES: readonly string[] = ["permissive", "enforcing", "disabled"];
const PULL_FROM: readonly string[] = ["all", "digest-only", "tag-only"];
const TOP_KEYS = [
  "unqualified-search-registries",
  "registry",
  "aliases",
  "short-name-mode",
  // Which programs know credentials: here that is said by auth files and images.credentialHelperDirs.
  "credential-helpers",
  "additional-layer-store-auth-helper",
];
const MIRROR_KEYS = ["location", "insecure", "pull-from-mirror"];
const REGISTRY_KEYS = [...MIRROR_KEYS, "prefix", "blocked", "mirror", "mirror-by-digest-only"];

/**
 * Reads the second version of the format, as containers-registries.conf(5) describes it.
 * @throws {RegistriesFileError} for the first thing that is wrong.
 */
export function parseRegistriesFile(path: string, text: string): RegistriesFile {
  let document: Record<string, unknown>;
  try {
    document = parse(text) as Record<string, unknown>;
  } catch (error) {
    const message = messageOf(error);
    const [, line, reason] = /^Parse error on line (\d+), column \d+: ([\s\S]*)$/.exec(message) ?? [];
    throw new RegistriesFileError(line === undefined ? `${path}: ${message}` : `${path}:${line}: ${reason}`);
  }
  return new Reader(path, new TomlLines(text)).read(document);
}

type Table = Record<string, unknown>;
type Fail = (key: string, reason: string) => RegistriesFileError;

class Reader {
  #path: string;
  #lines: TomlLines;
  #unknown: string[] = [];

  constructor(path: string, lines: TomlLines) {
    this.#path = path;
    this.#lines = lines;
  }

  read(document: Table): RegistriesFile {
    const at = (key: string) => this.#at(this.#lines.top(key));
    const fail: Fail = (key, reason) => new RegistriesFileError(`${at(key)}: ${key}: ${reason}`);
    if (document.registries !== undefined) {
      throw fail("registries", "this is the first version of the format; write [[registry]] tables instead");
    }
    this.#note(document, TOP_KEYS, "", at);
    const search = texts(document, "unqualified-search-registries", fail)?.map((host) => {
      const name = location(host);
      if (!isHost(name)) {
        throw fail("unqualified-search-registries", `${JSON.stringify(host)} is not host or host:port`);
      }
      return name;
    });
    const registries = tables(document, "registry", "registry", fail) ?? [];
    return {
      rules: distinct(registries.map((table, index) => this.#registry(table, index))),
      search,
      searchOrigin: at("unqualified-search-registries"),
      shortNameMode: choice(document, "short-name-mode", MODES, fail) as ShortNameMode | undefined,
      aliases: this.#aliases(document.aliases, fail),
      unknown: this.#unknown,
    };
  }

  #registry(table: Table, index: number): RegistryRule {
    const at = (key?: string) => this.#at(this.#lines.registry(index, undefined, key));
    const fail: Fail = (key, reason) => new RegistriesFileError(`${at(key)}: registry.${key}: ${reason}`);
    this.#note(table, REGISTRY_KEYS, "registry.", at);
    const [given, to] = [this.#place(table, "prefix", fail), this.#place(table, "location", fail)];
    const prefix = given || to;
    if (prefix === "") throw fail("prefix", "neither prefix nor location is set: which images is it for?");
    if (to === "" && !prefix.startsWith("*.")) {
      throw fail("location", "is not set; only a prefix that starts with *. can do without");
    }
    if (to.startsWith("*.")) throw fail("location", "cannot have a * in it");
    if (table["pull-from-mirror"] !== undefined) {
      throw fail("pull-from-mirror", "is for [[registry.mirror]], not for the registry itself");
    }
    const byDigestOnly = flag(table, "mirror-by-digest-only", fail);
    const mirrors = tables(table, "mirror", "registry.mirror", fail) ?? [];
    return {
      prefix,
      location: to,
      insecure: flag(table, "insecure", fail),
      plainHttp: false,
      blocked: flag(table, "blocked", fail),
      mirrors: mirrors.map((mirror, number) => this.#mirror(mirror, index, number, byDigestOnly)),
      origin: at(),
    };
  }

  #mirror(table: Table, registry: number, index: number, byDigestOnly: boolean): MirrorRule {
    const at = (key?: string) => this.#at(this.#lines.registry(registry, index, key));
    const fail: Fail = (key, reason) => new RegistriesFileError(`${at(key)}: registry.mirror.${key}: ${reason}`);
    this.#note(table, MIRROR_KEYS, "registry.mirror.", at);
    const to = this.#place(table, "location", fail);
    if (to === "" || to.startsWith("*.")) throw fail("location", "must be host[:port][/path]");
    const pullFrom = choice(table, "pull-from-mirror", PULL_FROM, fail) as PullFrom | undefined;
    if (byDigestOnly && pullFrom !== undefined) {
      throw fail("pull-from-mirror", "cannot be set together with the registry's mirror-by-digest-only");
    }
    const insecure = flag(table, "insecure", fail);
    return { location: to, insecure, pullFrom: pullFrom ?? (byDigestOnly ? "digest-only" : "all") };
  }

  /** host[:port][/path…], or with *. before it. */
  #place(table: Table, key: string, fail: Fail): string {
    const value = location(text(table, key, fail) ?? "");
    if (/^https?:\/\//i.test(value)) throw fail(key, `${JSON.stringify(value)} must be without http:// or https://`);
    if (value === "") return "";
    const [host] = value.replace(/^\*\./, "").split("/", 1);
    if (!isHost(host)) {
      throw fail(key, `${JSON.stringify(value)} does not start with a registry's host`);
    }
    return value;
  }

  #aliases(value: unknown, fail: Fail): RegistriesFile["aliases"] {
    const aliases: RegistriesFile["aliases"] = new Map();
    if (value === undefined) return aliases;
    if (!isTable(value)) throw fail("aliases", "is not a table");
    for (const [short, name] of Object.entries(value)) {
      const origin = this.#at(this.#lines.alias(short));
      const wrong = (reason: string) => new RegistriesFileError(`${origin}: aliases.${short}: ${reason}`);
      if (typeof name !== "string") throw wrong("is not text");
      if (!isBareName(`localhost/${short}`) || hasRegistry(short)) throw wrong("is not a short name without tag");
      if (name !== "" && (!hasRegistry(name) || !isBareName(name))) {
        throw wrong(`${JSON.stringify(name)} is not a whole name (host/path) without tag`);
      }
      aliases.set(short, { name, origin });
    }
    return aliases;
  }

  #note(table: Table, known: string[], prefix: string, at: (key: string) => string): void {
    for (const key of Object.keys(table)) {
      if (!known.includes(key)) this.#unknown.push(`${at(key)}: ${prefix}${key}`);
    }
  }

  #at(line: number | undefined): string {
    return line === undefined ? this.#path : `${this.#path}:${line}`;
  }
}

/** As containers/image: of two tables for the same prefix the first counts, and they must agree on what is safe. */
function distinct(rules: RegistryRule[]): RegistryRule[] {
  const byPrefix = new Map<string, RegistryRule>();
  for (const rule of rules) {
    const first = byPrefix.get(rule.prefix);
    if (!first) byPrefix.set(rule.prefix, rule);
    else if (first.blocked !== rule.blocked || first.insecure !== rule.insecure) {
      throw new RegistriesFileError(
        `${rule.origin}: registry: ${rule.prefix} is also in ${first.origin}, where insecure or blocked is not the same`,
      );
    }
  }
  return [...byPrefix.values()];
}

function location(value: string): string {
  return value.replace(/\/+$/, "");
}

/** host, host:port, [v6], [v6]:port. */
function isHost(host: string): boolean {
  return !/[/@]/.test(host) && isBareName(`${host}/x`);
}

function isBareName(name: string): boolean {
  try {
    const { digest, tag } = parseReference(name);
    return digest === undefined && (tag === "latest" && !name.endsWith(":latest"));
  } catch {
    return false;
  }
}

function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

function text(table: Table, key: string, fail: Fail): string | undefined {
  const value = table[key];
  if (value !== undefined && typeof value !== "string") throw fail(key, "is not text");
  return value;
}

function flag(table: Table, key: string, fail: Fail): boolean {
  const value = table[key];
  if (value !== undefined && typeof value !== "boolean") throw fail(key, "is neither true nor false");
  return value ?? false;
}

function choice(table: Table, key: string, values: readonly string[], fail: Fail): string | undefined {
  const value = text(table, key, fail);
  if (value === undefined || value === "") return undefined;
  if (!values.includes(value)) throw fail(key, `is ${JSON.stringify(value)}; allowed: ${values.join(", ")}`);
  return value;
}

function texts(table: Table, key: string, fail: Fail): string[] | undefined {
  const value = table[key];
  if (value === undefined) return undefined;
  if (!Array.isArray(value) || value.some((item) => typeof item !== "string")) {
    throw fail(key, "is not a list of texts");
  }
  return value;
}

function tables(table: Table, key: string, header: string, fail: Fail): Table[] | undefined {
  const value = table[key];
  if (value === undefined) return undefined;
  if (!Array.isArray(value) || !value.every(isTable)) throw fail(key, `is not a list of tables: write [[${header}]]`);
  return value;
}
