import { isMap, isScalar, LineCounter, type Node, parseDocument, visit } from "yaml";
import type { Reference } from "../reference.ts";
import { LocatedError } from "./located_json.ts";
import { checkScope, scopesOf } from "./scope.ts";

/** Where the signatures of a name are: containers-registries.d(5). */
export interface SignaturePlace {
  /** URL (https, http, file) of the folder with a folder per repository. */
  lookaside: string;
  /** Whether the registry itself is asked for cosign's signatures; undefined: nothing was said. */
  attachments: boolean | undefined;
}

export interface SignaturePlaces {
  default: Partial<SignaturePlace>;
  docker: Map<string, Partial<SignaturePlace>>;
}

/** Where signatures made on a node itself are put when nothing else is said. */
const USUAL_LOOKASIDE = "file:///var/lib/containers/sigstore";
const KEYS = [
  "lookaside",
  "lookaside-staging",
  "sigstore",
  "sigstore-staging",
  "use-sigstore-attachments",
];

/** Adds what one file says. @throws {LocatedError} for what is wrong in it, or said by two files. */
export function readPlaces(text: string, into: SignaturePlaces): void {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true });
  const lineOf = (node: Node | null | undefined) => lines.linePos(node?.range?.[0] ?? 0).line;
  const [error] = document.errors;
  if (error) throw new LocatedError(`is not YAML: ${error.message}`, lines.linePos(error.pos[0]).line);
  visit(document, {
    Alias: (_, node) => {
      throw new LocatedError("has an alias, which is not supported", lineOf(node));
    },
  });
  const entries = (node: unknown, what: string): [string, Node | null, number][] => {
    if (node === null || node === undefined) return [];
    if (!isMap(node)) throw new LocatedError(`${what} is not a mapping`, lineOf(node as Node));
    return node.items.map((
      { key, value },
    ) => [String((key as { value?: unknown }).value), value as Node | null, lineOf(key as Node)]);
  };
  const place = (node: Node | null, what: string): Partial<SignaturePlace> => {
    const result: Partial<SignaturePlace> = {};
    for (const [key, value, line] of entries(node, what)) {
      if (!KEYS.includes(key)) throw new LocatedError(`${what} has the unknown key "${key}"`, line);
      const plain = isScalar(value) ? value.value : undefined;
      if (key === "use-sigstore-attachments") {
        if (typeof plain !== "boolean") throw new LocatedError(`${key} is neither true nor false`, line);
        result.attachments = plain;
      } else {
        const wrong = typeof plain === "string" ? checkUrl(plain) : "is not a text";
        if (wrong !== undefined) throw new LocatedError(`${key} ${wrong}`, line);
        // `sigstore` is the old name of `lookaside`; the staging ones are for writing.
        if (key === "lookaside" || (key === "sigstore" && result.lookaside === undefined)) {
          result.lookaside = plain as string;
        }
      }
    }
    return result;
  };
  for (const [key, value, line] of entries(document.contents, "the file")) {
    if (key === "default-docker") {
      if (Object.keys(into.default).length > 0) {
        throw new LocatedError("default-docker stands in another file, too", line);
      }
      into.default = place(value, key);
    } else if (key === "docker") {
      for (const [scope, inner, at] of entries(value, key)) {
        const wrong = scope.startsWith("*") ? "has an asterisk" : checkScope(scope);
        if (wrong !== undefined) throw new LocatedError(`the scope "${scope}" ${wrong}`, at);
        if (into.docker.has(scope)) throw new LocatedError(`"${scope}" stands in another file, too`, at);
        into.docker.set(scope, place(inner, `"${scope}"`));
      }
    } else {
      throw new LocatedError(`the file has the unknown key "${key}"`, line);
    }
  }
}

/** The place of the most special scope; each of its two parts may come from another one. */
export function placeFor(places: SignaturePlaces, reference: Reference): SignaturePlace {
  const found: Partial<SignaturePlace> = {};
  for (const scope of scopesOf(reference)) {
    const place = places.docker.get(scope);
    found.lookaside ??= place?.lookaside;
    found.attachments ??= place?.attachments;
  }
  return {
    lookaside: found.lookaside ?? places.default.lookaside ?? USUAL_LOOKASIDE,
    attachments: found.attachments ?? places.default.attachments,
  };
}

/** Folder with the signatures of a manifest; they are named signature-1, signature-2 and so on. */
export function signatureFolder(lookaside: string, { path }: Reference, digest: string): string {
  return `${lookaside.replace(/\/+$/, "")}/${path}@${digest.replace(":", "=")}`;
}

function checkUrl(text: string): string | undefined {
  const url = URL.parse(text);
  if (!url || !["http:", "https:", "file:"].includes(url.protocol)) {
    return "is not a URL that starts with https, http or file";
  }
  if (url.username !== "" || url.password !== "") return "has a password in it";
  return url.search === "" && url.hash === "" ? undefined : "has a query or a fragment in it";
}
