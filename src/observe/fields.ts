import { errorText } from "./error_text.ts";

/** Keys whose value is a secret: credentials of a registry, tokens of a stream, anything named like one. */
const SECRET = /pass(word|wd|phrase)|^pass$|auth(?!ors?$|ority$)|token|secret|credential|private_?key|cookie/i;
const REDACTED = "[redacted]";
const MAX_DEPTH = 5;
const MAX_ENTRIES = 100;
export const MAX_TEXT = 8192;

export type Plain = string | number | boolean | null | Plain[] | { [key: string]: Plain };

/** Fields as plain JSON: secrets redacted at every depth, errors with their causes, sizes bounded. */
export function plainFields(fields: Record<string, unknown>): Record<string, Plain> {
  return plainObject(fields, 0);
}

function plainObject(object: object, depth: number): Record<string, Plain> {
  const plain: [string, Plain][] = [];
  for (const [key, value] of Object.entries(object).slice(0, MAX_ENTRIES)) {
    if (value === undefined) continue;
    plain.push([key, SECRET.test(key) && value !== "" ? REDACTED : plainValue(value, depth)]);
  }
  return Object.fromEntries(plain);
}

function plainValue(value: unknown, depth: number): Plain {
  switch (typeof value) {
    case "string":
      return cut(value);
    case "number":
      return Number.isFinite(value) ? value : String(value);
    case "boolean":
      return value;
    case "object":
      return value === null ? null : plainObjectValue(value, depth);
    default:
      return cut(String(value));
  }
}

function plainObjectValue(value: object, depth: number): Plain {
  if (value instanceof Error) return cut(errorText(value));
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "invalid date" : value.toISOString();
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `<${value.byteLength} bytes>`;
  if (depth >= MAX_DEPTH) return "…";
  if (value instanceof Map) return plainObject(Object.fromEntries(value), depth + 1);
  if (value instanceof Set) return plainList([...value], depth);
  if (Array.isArray(value)) return plainList(value, depth);
  return plainObject(value, depth + 1);
}

function plainList(values: unknown[], depth: number): Plain[] {
  return values.slice(0, MAX_ENTRIES).map((value) => plainValue(value, depth + 1));
}

function cut(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
}
