/**
 * The kinds of values a key can have. A {@link Field} is a leaf, a {@link Section} has fixed keys, a {@link Table} has free
 * keys (names) whose values all have one shape. Everything else about a key (its default, its check, its text) is data.
 */

/** Whether a running daemon can take a new value on SIGHUP, or only a restart does. */
export type ReloadClass = "reload" | "restart";

export interface Field<T = unknown> {
  kind: "field";
  doc: string;
  default: T;
  reload: ReloadClass;
  /** What may stand there, in words: for docs and messages. */
  allowed: string;
  /** The value, or what is wrong with it. */
  parse(value: unknown): { value: T } | { wrong: string };
}

export interface Section<T = unknown> {
  kind: "section";
  doc: string;
  fields: Shape<T>;
}

export interface Table<T = unknown> {
  kind: "table";
  doc: string;
  reload: ReloadClass;
  /** What a name may be, in words. */
  nameAllowed: string;
  namePattern: RegExp;
  /** What the documentation writes where a name goes. */
  nameExample: string;
  entry: Shape<T>;
  default: Record<string, T>;
}

/** Any description, for code that walks the schema. */
export type Node =
  | Field<any>
  | (Omit<Section, "fields"> & { fields: Nodes })
  | (Omit<Table, "entry" | "default"> & TableNodes);
export type Nodes = Readonly<{ [key: string]: Node }>;
interface TableNodes {
  entry: Nodes;
  default: Record<string, any>;
}

/** A description for every key of T: the compiler refuses a schema that lacks one or has one too many. */
export type Shape<T> = { [K in keyof T]-?: NodeFor<T[K]> };

type NodeFor<V> = [V] extends [string | number | boolean | readonly unknown[]] ? Field<V>
  : string extends keyof V ? Table<V[string & keyof V]>
  : Section<V>;

interface Base<T> {
  doc: string;
  default: T;
  reload: ReloadClass;
}

/** Text; `check` says what is wrong with it, or nothing. */
export function text(
  options: Base<string> & { allowed: string; check?: (value: string) => string | undefined },
): Field<string> {
  return {
    kind: "field",
    ...options,
    parse: (value) => {
      if (typeof value !== "string") return { wrong: `is ${kindOf(value)}, not text` };
      const wrong = options.check?.(value);
      return wrong === undefined ? { value } : { wrong };
    },
  };
}

/** One of a few words. */
export function choice<const T extends string>(options: Base<T> & { values: readonly T[] }): Field<T> {
  return {
    kind: "field",
    ...options,
    allowed: options.values.join(" | "),
    parse: (value) => {
      const found = options.values.find((allowed) => allowed === value);
      return found === undefined ? { wrong: `is ${show(value)}` } : { value: found };
    },
  };
}

export function integer(options: Base<number> & { min: number; max: number; unit?: string }): Field<number> {
  const unit = options.unit ? ` ${options.unit}` : "";
  return {
    kind: "field",
    ...options,
    allowed: `a whole number from ${options.min} to ${options.max}${unit}`,
    parse: (value) => {
      if (typeof value !== "number" || !Number.isInteger(value)) return { wrong: `is ${show(value)}` };
      return value >= options.min && value <= options.max ? { value } : { wrong: `is ${value}` };
    },
  };
}

export function flag(options: Base<boolean>): Field<boolean> {
  return {
    kind: "field",
    ...options,
    allowed: "true | false",
    parse: (value) => typeof value === "boolean" ? { value } : { wrong: `is ${show(value)}` },
  };
}

/** A list whose items are texts; a list in a later file replaces the one before. */
export function texts(
  options: Base<string[]> & { allowed: string; check?: (item: string) => string | undefined },
): Field<string[]> {
  return {
    kind: "field",
    ...options,
    parse: (value) => {
      if (!Array.isArray(value)) return { wrong: `is ${kindOf(value)}, not a list` };
      for (const [index, item] of value.entries()) {
        if (typeof item !== "string") return { wrong: `item ${index + 1} is ${kindOf(item)}, not text` };
        const wrong = options.check?.(item);
        if (wrong !== undefined) return { wrong: `item ${index + 1} (${show(item)}) ${wrong}` };
      }
      return { value };
    },
  };
}

/** A list of objects with one text each, as in `mirrors: [{ url: … }]`: room for more keys later. */
export function records<K extends string>(
  options: Base<Record<K, string>[]> & { key: K; allowed: string; check: (value: string) => string | undefined },
): Field<Record<K, string>[]> {
  return {
    kind: "field",
    ...options,
    parse: (value) => {
      if (!Array.isArray(value)) return { wrong: `is ${kindOf(value)}, not a list` };
      for (const [index, item] of value.entries()) {
        if (!isPlainObject(item) || typeof item[options.key] !== "string") {
          return { wrong: `item ${index + 1} is not an object with the key "${options.key}"` };
        }
        const unknown = Object.keys(item).find((key) => key !== options.key);
        if (unknown !== undefined) return { wrong: `item ${index + 1} has the unknown key "${unknown}"` };
        const wrong = options.check(item[options.key] as string);
        if (wrong !== undefined) {
          return { wrong: `item ${index + 1}: ${options.key} ${show(item[options.key])} ${wrong}` };
        }
      }
      return { value: value as Record<K, string>[] };
    },
  };
}

export function section<T>(doc: string, fields: Shape<T>): Section<T> {
  return { kind: "section", doc, fields };
}

export function table<T>(options: Omit<Table<T>, "kind">): Table<T> {
  return { kind: "table", ...options };
}

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A value as a message shows it: short, on one line. */
export function show(value: unknown): string {
  const json = JSON.stringify(value) ?? String(value);
  return json.length > 60 ? `${json.slice(0, 57)}…` : json;
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return "empty";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "an object";
  return show(value);
}
