/** What a mounted tree shows, by tree.c, and how two of them differ. */
import { run } from "../support/command.ts";
import type { TestNode } from "../support/node.ts";

/** By path: fields and their values. */
export type Tree = Map<string, Map<string, string>>;

export class TreeReader {
  private constructor(private readonly node: TestNode, private readonly program: string) {}

  static async build(node: TestNode): Promise<TreeReader> {
    const program = `${node.dir}/tree`;
    await run("gcc", ["-O2", "-Wall", "-o", program, new URL("tree.c", import.meta.url).pathname]);
    return new TreeReader(node, program);
  }

  /** Of a folder as the node's mount namespace has it. */
  async read(folder: string): Promise<Tree> {
    return parse(await this.node.holder.run(this.program, folder));
  }
}

function parse(text: string): Tree {
  const tree: Tree = new Map();
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const [path, ...fields] = line.split("\t");
    const known = tree.get(path) ?? new Map();
    for (const field of fields) known.set(...split(field));
    tree.set(path, known);
  }
  return tree;
}

function split(field: string): [string, string] {
  const at = field.indexOf("=");
  return [field.slice(0, at), field.slice(at + 1)];
}

/** Lines `path field: ours, theirs`; `*` stands for a path that one of them lacks. */
export function differences(ours: Tree, theirs: Tree): { at: string; values: string }[] {
  const found: { at: string; values: string }[] = [];
  for (const path of new Set([...ours.keys(), ...theirs.keys()])) {
    const [one, other] = [ours.get(path), theirs.get(path)];
    if (!one || !other) {
      found.push({ at: `${path} *`, values: `only ${one ? "here" : "there"}` });
      continue;
    }
    for (const field of new Set([...one.keys(), ...other.keys()])) {
      const [value, expected] = [one.get(field) ?? "-", other.get(field) ?? "-"];
      if (value !== expected) found.push({ at: `${path} ${field}`, values: `${value}, there ${expected}` });
    }
  }
  return found;
}
