/**
 * Programs in front of the real ones, that on request hang, fail or talk nonsense. What they shall do is read from a file
 * each time, so that one daemon can live through all of it.
 */
import type { TestNode } from "../support/node.ts";

/** `when` is a word among the arguments (or, for a CNI plugin, the CNI command); every call where it's empty. */
export interface Fault {
  kind: "hang" | "fail" | "garbage";
  when?: string;
  /** For `fail` and `garbage`: what is written to standard output, and for `fail` to standard error too. */
  text?: string;
}

export class BrokenHelper {
  #mode: string;
  private constructor(readonly path: string) {
    this.#mode = `${path}.mode`;
  }

  /** Writes the program `name` into `dir`, in front of `real`. `word` is a shell expression for what `when` is compared with. */
  static make(node: TestNode, dir: string, name: string, real: string, words = '"$@"'): BrokenHelper {
    const folder = `${node.dir}/${dir}`;
    Deno.mkdirSync(folder, { recursive: true });
    const helper = new BrokenHelper(`${folder}/${name}`);
    Deno.writeTextFileSync(
      helper.path,
      `#!/bin/sh
mode=${helper.path}.mode
asked() {
  [ -e "$mode/when" ] || return 1
  read -r when <"$mode/when"
  [ -z "$when" ] && return 0
  for word in ${words}; do [ "$word" = "$when" ] && return 0; done
  return 1
}
if asked "$@"; then
  read -r kind <"$mode/kind"
  echo $$ >>"$mode/pids"
  case $kind in
    hang) while asked "$@"; do /bin/sleep 0.1; done ;;
    fail) /bin/cat "$mode/text"; /bin/cat "$mode/text" >&2; exit 1 ;;
    garbage) /bin/cat "$mode/text"; exit 0 ;;
  esac
fi
exec ${real} "$@"
`,
      { mode: 0o755 },
    );
    return helper;
  }

  /** From now on, until the returned object is disposed of. */
  break(fault: Fault): Disposable & { mend(): void } {
    Deno.mkdirSync(this.#mode, { recursive: true });
    Deno.writeTextFileSync(`${this.#mode}/kind`, `${fault.kind}\n`);
    Deno.writeTextFileSync(`${this.#mode}/text`, `${fault.text ?? ""}\n`);
    Deno.writeTextFileSync(`${this.#mode}/when`, `${fault.when ?? ""}\n`);
    const mend = () => Deno.removeSync(this.#mode, { recursive: true });
    let mended = false;
    const once = () => {
      if (!mended) mend();
      mended = true;
    };
    return { mend: once, [Symbol.dispose]: once };
  }

  /** Pids of the calls that were broken and still run. */
  running(): number[] {
    try {
      return Deno.readTextFileSync(`${this.#mode}/pids`).trim().split("\n").map(Number).filter((pid) => {
        try {
          return Deno.statSync(`/proc/${pid}`).isDirectory;
        } catch {
          return false;
        }
      });
    } catch {
      return [];
    }
  }
}
