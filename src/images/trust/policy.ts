import { type Located, LocatedError, parseLocated } from "./located_json.ts";
import { checkScope } from "./scope.ts";
import type { KeySource, Policy, Requirement, SignedIdentity } from "./types.ts";

const TRANSPORTS = [
  "docker",
  "docker-daemon",
  "docker-archive",
  "atomic",
  "containers-storage",
  "dir",
  "oci",
  "oci-archive",
  "ostree",
  "sif",
  "tarball",
];

/** Accepts everything: what a node without a policy file does. */
export const NO_POLICY: Policy = {
  file: "",
  default: [{ type: "insecureAcceptAnything", line: 0 }],
  docker: new Map(),
};

/** containers-policy.json(5): every key is known, or the file is refused. @throws {LocatedError} */
export function parsePolicy(file: string, text: string): Policy {
  const top = new Section(parseLocated(text), "the policy");
  const fallback = requirements(top.required("default"));
  const docker = new Map<string, Requirement[]>();
  const transports = top.optional("transports");
  if (transports) {
    for (const [name, value] of objectOf(transports, "transports")) {
      if (!TRANSPORTS.includes(name)) throw new LocatedError(`transports has the unknown name "${name}"`, value.line);
      for (const [scope, list] of objectOf(value, `transports.${name}`)) {
        const parsed = requirements(list);
        // Images come from registries here; rules for other places are read, so that a mistake in them is seen.
        if (name !== "docker") continue;
        const wrong = scope === "" ? undefined : checkScope(scope);
        if (wrong !== undefined) throw new LocatedError(`the scope ${JSON.stringify(scope)} ${wrong}`, list.line);
        docker.set(scope, parsed);
      }
    }
  }
  top.noMore();
  return { file, default: fallback, docker };
}

function requirements(value: Located): Requirement[] {
  if (value.kind !== "list") throw new LocatedError("the requirements are not a list", value.line);
  if (value.items.length === 0) {
    throw new LocatedError("the list of requirements is empty; write insecureAcceptAnything or reject", value.line);
  }
  return value.items.map(requirement);
}

function requirement(value: Located): Requirement {
  const section = new Section(value, "a requirement");
  const { line } = value;
  const type = section.text("type");
  const parsed = (): Requirement => {
    switch (type) {
      case "insecureAcceptAnything":
      case "reject":
        return { type, line };
      case "signedBy":
        return { type, line, ...signedBy(section) };
      case "sigstoreSigned":
        return { type, line, ...sigstoreSigned(section) };
      default:
        throw new LocatedError(`the requirement has the unknown type ${JSON.stringify(type)}`, line);
    }
  };
  const result = parsed();
  section.noMore();
  return result;
}

function signedBy(section: Section): { keys: KeySource[]; identity: SignedIdentity } {
  const keyType = section.text("keyType");
  if (keyType !== "GPGKeys") {
    throw new LocatedError(`keyType is ${JSON.stringify(keyType)}; only "GPGKeys" is supported`, section.line);
  }
  const keys = keySources(section, ["keyPath", "keyPaths", "keyData"]);
  if (keys.length === 0) throw new LocatedError("one of keyPath, keyPaths and keyData must be there", section.line);
  return { keys, identity: identity(section) };
}

function sigstoreSigned(
  section: Section,
): Omit<Extract<Requirement, { type: "sigstoreSigned" }>, "type" | "line"> {
  const keys = keySources(section, ["keyPath", "keyPaths", "keyData", "keyDatas"]);
  const logKeys = keySources(section, [
    "rekorPublicKeyPath",
    "rekorPublicKeyPaths",
    "rekorPublicKeyData",
    "rekorPublicKeyDatas",
  ]);
  const others = ["fulcio", "pki"].filter((name) => section.optional(name) !== undefined);
  if ((keys.length > 0 ? 1 : 0) + others.length !== 1) {
    throw new LocatedError(
      "exactly one of keyPath, keyPaths, keyData, keyDatas, fulcio and pki must be there",
      section.line,
    );
  }
  const fulcio = section.optional("fulcio");
  if (fulcio && logKeys.length === 0) {
    throw new LocatedError(
      "with fulcio one of rekorPublicKeyPath, rekorPublicKeyPaths, rekorPublicKeyData and rekorPublicKeyDatas must be there",
      section.line,
    );
  }
  return {
    keys,
    logKeys,
    ...(fulcio && { fulcio: fulcioOf(fulcio) }),
    unsupported: section.optional("pki") && "pki",
    identity: identity(section),
  };
}

function fulcioOf(value: Located): { ca: KeySource; oidcIssuer: string; subjectEmail: string } {
  const section = new Section(value, "fulcio");
  const [ca] = keySources(section, ["caPath", "caData"]);
  if (!ca) throw new LocatedError("one of caPath and caData must be there", value.line);
  const parsed = { ca, oidcIssuer: section.text("oidcIssuer"), subjectEmail: section.text("subjectEmail") };
  section.noMore();
  return parsed;
}

/** The keys of a group of names of which at most one may be there. */
function keySources(section: Section, names: string[]): KeySource[] {
  const given = names.flatMap((name) => {
    const value = section.optional(name);
    return value ? [{ name, value }] : [];
  });
  if (given.length > 1) {
    throw new LocatedError(`${given.map(({ name }) => name).join(" and ")} cannot be there together`, section.line);
  }
  if (given.length === 0) return [];
  const [{ name, value }] = given;
  const texts = name.endsWith("s") ? textsOf(value, name) : [textOf(value, name)];
  if (texts.length === 0) throw new LocatedError(`${name} is empty`, value.line);
  return texts.map((text) => /Paths?$/.test(name) ? keyFile(text, name, value.line) : keyData(text, name, value.line));
}

function keyFile(path: string, name: string, line: number): KeySource {
  if (path.startsWith("/") && !path.includes("\0")) return { path };
  throw new LocatedError(`${name} ${JSON.stringify(path)} is not an absolute path`, line);
}

function keyData(data: string, name: string, line: number): KeySource {
  try {
    Uint8Array.fromBase64(data);
    return { data };
  } catch {
    throw new LocatedError(`${name} is not base64`, line);
  }
}

function identity(section: Section): SignedIdentity {
  const value = section.optional("signedIdentity");
  if (!value) return { type: "matchRepoDigestOrExact" };
  const inner = new Section(value, "signedIdentity");
  const type = inner.text("type");
  const parsed = (): SignedIdentity => {
    switch (type) {
      case "matchExact":
      case "matchRepoDigestOrExact":
      case "matchRepository":
        return { type };
      case "exactReference":
        return { type, reference: inner.text("dockerReference") };
      case "exactRepository":
        return { type, repository: inner.text("dockerRepository") };
      case "remapIdentity":
        return { type, prefix: inner.scope("prefix"), signedPrefix: inner.scope("signedPrefix") };
      default:
        throw new LocatedError(`signedIdentity has the unknown type ${JSON.stringify(type)}`, value.line);
    }
  };
  const result = parsed();
  inner.noMore();
  return result;
}

/** An object of which every key has to be asked for. */
class Section {
  readonly line: number;
  #name: string;
  #entries: Map<string, Located>;
  #asked = new Set<string>();

  constructor(value: Located, name: string) {
    this.line = value.line;
    this.#name = name;
    this.#entries = objectOf(value, name);
  }

  optional(key: string): Located | undefined {
    this.#asked.add(key);
    return this.#entries.get(key);
  }

  required(key: string): Located {
    const value = this.optional(key);
    if (!value) throw new LocatedError(`${this.#name} has no "${key}"`, this.line);
    return value;
  }

  text(key: string): string {
    return textOf(this.required(key), key);
  }

  scope(key: string): string {
    const value = this.required(key);
    const text = textOf(value, key);
    const wrong = text.startsWith("*") ? "may not be a wildcard" : checkScope(text);
    if (wrong !== undefined) throw new LocatedError(`${key} ${JSON.stringify(text)} ${wrong}`, value.line);
    return text;
  }

  noMore(): void {
    for (const [key, { line }] of this.#entries) {
      if (!this.#asked.has(key)) throw new LocatedError(`${this.#name} has the unknown key "${key}"`, line);
    }
  }
}

function objectOf(value: Located, name: string): Map<string, Located> {
  if (value.kind === "object") return value.entries;
  throw new LocatedError(`${name} is not an object`, value.line);
}

function textOf(value: Located, name: string): string {
  if (value.kind === "plain" && typeof value.value === "string" && value.value !== "") return value.value;
  throw new LocatedError(`${name} is not a text`, value.line);
}

function textsOf(value: Located, name: string): string[] {
  if (value.kind === "list") return value.items.map((item) => textOf(item, name));
  throw new LocatedError(`${name} is not a list`, value.line);
}
