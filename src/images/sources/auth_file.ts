import type { RegistryAuth } from "../types.ts";

/** What an auth file has for an image: credentials themselves, or the name of a program that has them. */
export type Finding =
  | { kind: "entry"; key: string; auth: RegistryAuth }
  | { kind: "program"; key: string; program: string };

/**
 * A containers-auth.json(5), which is also docker's config.json. Keys are host[:port] or host[:port]/path…; the longest
 * that fits counts, after a program that is named for the host, and before one for all hosts.
 */
export class AuthFile {
  #auths = new Map<string, RegistryAuth>();
  #programs = new Map<string, string>();
  #store: string;

  /** @throws Error without any of the content in its message. */
  constructor(text: string) {
    const document = object(parse(text), "the file");
    for (const [key, value] of Object.entries(object(document.auths ?? {}, "auths"))) {
      const auth = entry(object(value, "an entry of auths"));
      const name = normalKey(key);
      // An entry for the host itself comes before one for an address below it.
      if (auth && (!this.#auths.has(name) || name === key)) this.#auths.set(name, auth);
    }
    for (const [key, program] of Object.entries(object(document.credHelpers ?? {}, "credHelpers"))) {
      this.#programs.set(normalKey(key), programName(program));
    }
    this.#store = document.credsStore ? programName(document.credsStore) : "";
  }

  /** @param repository host[:port]/path as the registry is asked for it */
  find(repository: string): Finding | undefined {
    const [host] = repository.split("/", 1);
    const program = this.#programs.get(host);
    if (program !== undefined) return { kind: "program", key: host, program };
    for (let key = repository; key !== ""; key = key.slice(0, Math.max(0, key.lastIndexOf("/")))) {
      const auth = this.#auths.get(key);
      if (auth) return { kind: "entry", key, auth };
    }
    return this.#store === "" ? undefined : { kind: "program", key: host, program: this.#store };
  }
}

/** Docker writes some keys as addresses: https://index.docker.io/v1/ */
export function normalKey(key: string): string {
  const name = key.replace(/^https?:\/\//, "").replace(/\/+$/, "");
  const isAddress = name !== key || /\/v[12]$/.test(name);
  const bare = isAddress ? name.replace(/\/v[12]$/, "") : name;
  return bare.replace(/^(?:index|registry-1)\.docker\.io(?=\/|$)/, "docker.io");
}

/** The user and password of base64 `user:password`. @throws Error that does not show it. */
export function decodeBasic(auth: string): { username: string; password: string } {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(atob(auth), (char) => char.charCodeAt(0)));
  } catch {
    throw new Error("is not base64 of user:password");
  }
  const colon = text.indexOf(":");
  if (colon < 0) throw new Error("is not base64 of user:password");
  // deno-lint-ignore no-control-regex
  return { username: text.slice(0, colon), password: text.slice(colon + 1).replace(/^\x00+|\x00+$/g, "") };
}

function entry(value: Record<string, unknown>): RegistryAuth | undefined {
  const text = (key: string) => typeof value[key] === "string" ? value[key] as string : "";
  const auth: RegistryAuth = {};
  if (text("identitytoken") !== "") auth.identityToken = text("identitytoken");
  if (text("registrytoken") !== "") auth.registryToken = text("registrytoken");
  if (text("username") !== "") Object.assign(auth, { username: text("username"), password: text("password") });
  else if (text("auth") !== "") Object.assign(auth, decodeBasic(text("auth")));
  // With docker's credsStore the entries are empty.
  return Object.keys(auth).length === 0 ? undefined : auth;
}

function programName(value: unknown): string {
  if (typeof value === "string" && /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(value)) return value;
  throw new Error("credHelpers and credsStore must be names NAME of programs docker-credential-NAME");
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error("is not JSON");
  }
}

function object(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new Error(`${what} is not an object`);
}
