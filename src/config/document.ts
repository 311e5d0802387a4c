import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  LineCounter,
  type Node as YamlNode,
  parse,
  parseDocument,
} from "yaml";
import { type Field, type Node, type Nodes, show, type Table } from "./fields.ts";
import { nearestName } from "./nearest.ts";
import type { Origin, Problem } from "./problem.ts";
import { schema } from "./schema.ts";

/** A value that a file or a flag gives to a key. `undefined` takes an entry out of a table. */
export interface Assignment {
  path: string[];
  value: unknown;
  origin: Origin;
}

export interface Reading {
  assignments: Assignment[];
  problems: Problem[];
}

/** What one YAML file assigns, and everything that is wrong in it. `source` is its path, for messages. */
export function readDocument(source: string, content: string): Reading {
  const lines = new LineCounter();
  const document = parseDocument(content, { lineCounter: lines, prettyErrors: false, stringKeys: true });
  const at = (offset: number): Origin => {
    const { line, col } = lines.linePos(offset);
    return { source, line, column: col };
  };
  if (document.errors.length > 0) {
    const problems = document.errors.map((error) => ({
      origin: at(error.pos[0]),
      key: "",
      message: `is not YAML: ${error.message}`,
    }));
    return { assignments: [], problems };
  }
  const walker = new Walker(document, at);
  walker.shape(schema, document.contents as YamlNode | null, []);
  return walker;
}

/** What one `--set KEY=VALUE` assigns. Text is taken as it is; other values are read as YAML. */
export function readSetting(setting: string): Reading {
  const origin = { source: `--set ${setting}` };
  const equals = setting.indexOf("=");
  if (equals < 0) return { assignments: [], problems: [{ origin, key: "", message: "is not KEY=VALUE" }] };
  const key = setting.slice(0, equals);
  const content = setting.slice(equals + 1);
  const found = findField(schema, key.split("."), []);
  if ("message" in found) return { assignments: [], problems: [{ origin, key: found.key, message: found.message }] };
  let parsed = found.field.parse(content);
  if ("wrong" in parsed) {
    try {
      parsed = found.field.parse(parse(content));
    } catch {
      // Not YAML either: the message about the plain text says it best.
    }
  }
  if ("wrong" in parsed) {
    return { assignments: [], problems: [{ origin, key, message: wrongValue(parsed.wrong, found.field) }] };
  }
  return { assignments: [{ path: found.path, value: parsed.value, origin }], problems: [] };
}

/** Collects assignments and problems over the nodes of one file. */
class Walker implements Reading {
  readonly assignments: Assignment[] = [];
  readonly problems: Problem[] = [];
  readonly #document: Document;
  readonly #at: (offset: number) => Origin;

  constructor(document: Document, at: (offset: number) => Origin) {
    this.#document = document;
    this.#at = at;
  }

  shape(shape: Nodes, node: YamlNode | null, path: string[]): void {
    for (const [key, keyNode, value] of this.#pairs(node, path)) {
      const child = childOf(shape, key);
      if (child) this.#value(child, value, [...path, key], keyNode);
      else this.#problem(keyNode, [...path, key], unknownKey(key, shape));
    }
  }

  #value(child: Node, node: YamlNode | null, path: string[], keyNode: YamlNode): void {
    if (child.kind === "section") return this.shape(child.fields, node, path);
    if (child.kind === "table") return this.#table(child, node, path);
    const where = node ?? keyNode;
    let value: unknown;
    try {
      value = node?.toJS(this.#document) ?? null;
    } catch (error) {
      // An alias below it without its anchor, around in a circle, or of so many that they would fill the memory.
      return this.#problem(where, path, `is not YAML: ${(error as Error).message}`);
    }
    const parsed = child.parse(value);
    if ("wrong" in parsed) return this.#problem(where, path, wrongValue(parsed.wrong, child));
    this.assignments.push({ path, value: parsed.value, origin: this.#origin(where) });
  }

  #table(table: Table, node: YamlNode | null, path: string[]): void {
    for (const [name, keyNode, value] of this.#pairs(node, path)) {
      const entryPath = [...path, name];
      const origin = this.#origin(keyNode);
      if (!table.namePattern.test(name)) {
        this.#problem(keyNode, entryPath, `is not a name for an entry; allowed: ${table.nameAllowed}`);
      } else if (isEmpty(value)) {
        this.assignments.push({ path: entryPath, value: undefined, origin });
      } else {
        this.assignments.push({ path: entryPath, value: {}, origin });
        this.shape(table.entry, value, entryPath);
      }
    }
  }

  /** Key text, key node and value of each pair; anything but a map or nothing is a problem. */
  #pairs(node: YamlNode | null, path: string[]): [string, YamlNode, YamlNode | null][] {
    const resolved = isAlias(node) ? node.resolve(this.#document) : node;
    if (resolved === undefined) {
      const { source } = node as Alias;
      this.#problem(
        node!,
        path,
        `is not YAML: Unresolved alias (the anchor must be set before the alias): ${source}`,
      );
      return [];
    }
    if (isEmpty(resolved)) return [];
    if (!isMap(resolved)) {
      this.#problem(resolved!, path, "is not an object with keys");
      return [];
    }
    return resolved.items.map((pair) => {
      const key = pair.key as YamlNode;
      return [isScalar(key) ? String(key.value) : String(key), key, pair.value as YamlNode | null];
    });
  }

  #origin(node: YamlNode): Origin {
    return this.#at(node.range?.[0] ?? 0);
  }

  #problem(node: YamlNode, path: string[], message: string): void {
    this.problems.push({ origin: this.#origin(node), key: path.join("."), message });
  }
}

function isEmpty(node: YamlNode | null): boolean {
  return node === null || (isScalar(node) && node.value === null);
}

function childOf(shape: Nodes, key: string): Node | undefined {
  return Object.hasOwn(shape, key) ? shape[key] : undefined;
}

function unknownKey(key: string, shape: Nodes): string {
  const nearest = nearestName(key, Object.keys(shape));
  return `is not a key; ${nearest ? `did you mean "${nearest}"?` : `known here: ${Object.keys(shape).join(", ")}`}`;
}

function wrongValue(wrong: string, field: Field): string {
  return `${wrong}; allowed: ${field.allowed}`;
}

/** The field that dotted parts lead to. A name in a table may have dots in it, so it takes all parts but the last. */
function findField(
  shape: Nodes,
  parts: string[],
  path: string[],
): { field: Field; path: string[] } | { key: string; message: string } {
  const [head, ...rest] = parts;
  const child = childOf(shape, head);
  const here = [...path, head];
  if (!child) return { key: here.join("."), message: unknownKey(head, shape) };
  if (child.kind === "field") {
    return rest.length === 0
      ? { field: child, path: here }
      : { key: here.join("."), message: "is a value: it has no keys below it" };
  }
  if (child.kind === "section") {
    if (rest.length > 0) return findField(child.fields, rest, here);
    return { key: here.join("."), message: `has keys below it: name one of ${Object.keys(child.fields).join(", ")}` };
  }
  const name = rest.slice(0, -1).join(".");
  if (!child.namePattern.test(name)) {
    return {
      key: here.join("."),
      message: `needs ${child.nameExample}.KEY after it; ${show(name)} is not such a name`,
    };
  }
  return findField(child.entry, rest.slice(-1), [...here, name]);
}
