import type { Field, Nodes, ReloadClass } from "./fields.ts";
import { schema } from "./schema.ts";
import type { Config } from "./types.ts";

/** A key that holds a value, with that value in some configuration. */
export interface Leaf {
  key: string;
  value: unknown;
  field: Field;
}

/** A key whose value is not the same in two configurations; `undefined`: the table entry isn't there. */
export interface Change {
  key: string;
  from: unknown;
  to: unknown;
  reload: ReloadClass;
}

/** Every key of a configuration that holds a value, in the order of the schema. */
export function leavesOf(config: Config): Leaf[] {
  return walk(schema, config as unknown as Record<string, unknown>, "");
}

/** What differs between two configurations. */
export function changesBetween(from: Config, to: Config): Change[] {
  const before = new Map(leavesOf(from).map((leaf) => [leaf.key, leaf]));
  const after = new Map(leavesOf(to).map((leaf) => [leaf.key, leaf]));
  const keys = new Set([...before.keys(), ...after.keys()]);
  return [...keys]
    .map((key) => ({
      key,
      from: before.get(key)?.value,
      to: after.get(key)?.value,
      reload: (after.get(key) ?? before.get(key)!).field.reload,
    }))
    .filter((change) => JSON.stringify(change.from) !== JSON.stringify(change.to));
}

function walk(shape: Nodes, values: Record<string, unknown>, prefix: string): Leaf[] {
  return Object.entries(shape).flatMap(([name, node]) => {
    const key = `${prefix}${name}`;
    const value = values[name];
    if (node.kind === "field") return [{ key, value, field: node }];
    if (node.kind === "section") return walk(node.fields, value as Record<string, unknown>, `${key}.`);
    const entries = Object.entries(value as Record<string, Record<string, unknown>>);
    return entries.flatMap(([entryName, entry]) => walk(node.entry, entry, `${key}.${entryName}.`));
  });
}
