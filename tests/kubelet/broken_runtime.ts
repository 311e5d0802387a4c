/**
 * A runtime with one of the {@link breakages}: a program in front of the real one that reads, at each call, from a file
 * what is broken now. So one cluster can live through all of them.
 */
import { breakages } from "./breakages.ts";

/** Those that are no change of config.json: the verb `exec` or `update` does nothing, `create` fails. */
const verbs = ["exec", "update", "create"];
/** Where the shell has put what to change. */
const [command, mode, bundle] = Deno.args;

export const kinds = [...Object.keys(breakages), ...verbs.map((verb) => `verb ${verb}`), "other runtime"];

/** Writes the program `path` in front of `real`. What it reads is `path.mode`. */
export function writeBrokenRuntime(path: string, real: string, other: string): void {
  const editor = new URL(import.meta.url).pathname;
  const text = `#!/bin/sh
mode=$(cat ${path}.mode 2>/dev/null)
verb= bundle= last=
for word in "$@"; do
  case "$last" in --bundle|-b) bundle=$word ;; esac
  case "$word" in create|exec|update) [ -n "$verb" ] || verb=$word ;; esac
  last=$word
done
case "$mode" in
  "") ;;
  "verb $verb") [ "$verb" != create ] || { echo "broken runtime" >&2; exit 1; }; exit 0 ;;
  verb*) ;;
  "other runtime") exec ${other} "$@" ;;
  *) [ "$verb" != create ] || DENO_DIR=${path}.deno ${Deno.execPath()} run -A --quiet ${editor} edit "$mode" "$bundle" ;;
esac
exec ${real} "$@"
`;
  Deno.writeTextFileSync(path, text, { mode: 0o755 });
}

/** From now on; "" mends it. */
export function breakRuntime(path: string, kind: string): void {
  if (kind !== "" && !kinds.includes(kind)) throw new Error(`"${kind}" is no way to break a runtime`);
  Deno.writeTextFileSync(`${path}.mode`, kind);
}

if (import.meta.main && command === "edit") {
  const file = `${bundle}/config.json`;
  const spec = JSON.parse(Deno.readTextFileSync(file));
  // The pod's own process holds its namespaces: without it there is nothing to look at.
  const isPause = spec.process.args.length === 1 && /pause/.test(spec.process.args[0]);
  if (!isPause) {
    breakages[mode](spec);
    Deno.writeTextFileSync(file, JSON.stringify(spec));
  }
}
