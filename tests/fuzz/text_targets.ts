/** Readers of text: configuration files, documents of registries, answers of token servers. */
import { ConfigError, loadConfig } from "../../src/config/mod.ts";
import { parseManifest } from "../../src/images/documents.ts";
import { parseImageConfig } from "../../src/images/image_config.ts";
import { Authorizer } from "../../src/images/registry/authorizer.ts";
import { RegistryFailure } from "../../src/images/registry/failure.ts";
import { AuthFile } from "../../src/images/sources/auth_file.ts";
import { parseRegistriesFile, RegistriesFileError } from "../../src/images/sources/registries_file.ts";
import { LocatedError } from "../../src/images/trust/located_json.ts";
import { parsePolicy } from "../../src/images/trust/policy.ts";
import { isPlainError, kept, type Target } from "./target.ts";

const MILLION = 1_000_000;
const MAX_LAYERS = 500;
const decoder = new TextDecoder();

/** The words of the corpus itself: keys, above all. */
function words(corpus: Uint8Array[]): string[] {
  return [...new Set(corpus.flatMap((bytes) => decoder.decode(bytes).match(/[A-Za-z][\w.-]{2,}/g) ?? []))];
}

type Part = Pick<Target, "read" | "isDocumented"> & Partial<Target>;

function target(name: string, part: Part): Target {
  const corpus = kept(name);
  return { name, corpus, dictionary: words(corpus), inputs: MILLION, ...part };
}

/** A first line, and what comes after it. */
function firstLine(text: string): [string, string] {
  const at = text.indexOf("\n");
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

export const textTargets: Target[] = [
  target("manifest", {
    read: (input) => parseManifest(input, "", MAX_LAYERS),
    isDocumented: isPlainError,
  }),
  target("image-config", {
    read: (input) => parseImageConfig(input, MAX_LAYERS),
    isDocumented: isPlainError,
  }),
  target("config", {
    read: (input) =>
      loadConfig({ readText: () => decoder.decode(input), exists: () => false, list: () => [] }, { file: "/f.yaml" }),
    isDocumented: (error) => error instanceof ConfigError,
  }),
  target("registries", {
    read: (input) => parseRegistriesFile("/f.conf", decoder.decode(input)),
    isDocumented: (error) => error instanceof RegistriesFileError,
  }),
  target("policy", {
    read: (input) => parsePolicy("/f.json", decoder.decode(input)),
    isDocumented: (error) => error instanceof LocatedError,
  }),
  target("auth-file", {
    read: (input) => new AuthFile(decoder.decode(input)).find("registry.example/team/app"),
    isDocumented: isPlainError,
  }),
  // The challenge of a registry, and what the token server that it names answers.
  target("login", {
    read: async (input) => {
      const [challenge, body] = firstLine(decoder.decode(input));
      const fetch = () => Promise.resolve(new Response(body, { status: body.length % 7 === 6 ? 500 : 200 }));
      const auth = { username: "user", password: "secret" };
      const authorizer = new Authorizer(new URL("https://registry.example"), "a/b", auth, { fetch });
      await authorizer.answer(challenge, new AbortController().signal);
      if (authorizer.header !== undefined) new Headers({ authorization: authorizer.header });
    },
    isDocumented: (error) => error instanceof RegistryFailure,
  }),
];
