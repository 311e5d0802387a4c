import { createHash } from "node:crypto";

/**
 * SHA-256 of a request in a canonical form: maps by sorted key (protobuf sends them in any order), bytes and 64-bit
 * integers as text. Credentials are never part of what is hashed here.
 */
export function requestHash(request: unknown): string {
  return createHash("sha256").update(canonical(request)).digest("hex");
}

function canonical(value: unknown): string {
  if (value === undefined || value === null) return "null";
  if (typeof value === "bigint") return `${value}n`;
  if (value instanceof Uint8Array) return `b${JSON.stringify(Array.from(value))}`;
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value === "object") {
    const entries = Object.entries(value).filter(([, entry]) => entry !== undefined).sort(([a], [b]) => a < b ? -1 : 1);
    return `{${entries.map(([key, entry]) => `${JSON.stringify(key)}:${canonical(entry)}`).join(",")}}`;
  }
  return JSON.stringify(value);
}

/** Paths of the fields in which two requests differ, at most `limit`, named as the CRI names them: `linux.cgroup_parent`, `labels.app`. */
export function differingFields(left: unknown, right: unknown, limit = 5): string[] {
  const found: string[] = [];
  const walk = (a: unknown, b: unknown, path: string) => {
    if (found.length >= limit || canonical(a) === canonical(b)) return;
    const plain = (value: unknown) =>
      typeof value === "object" && value !== null && !(value instanceof Uint8Array) && !Array.isArray(value);
    if (!plain(a) || !plain(b)) {
      found.push(path || "(all)");
      return;
    }
    const left = a as Record<string, unknown>, right = b as Record<string, unknown>;
    for (const key of new Set([...Object.keys(left), ...Object.keys(right)])) {
      walk(left[key], right[key], path ? `${path}.${fieldName(key)}` : fieldName(key));
    }
  };
  walk(left, right, "");
  return found;
}

/** A map's key has characters that no field has, or is one word: it stays as it is. */
function fieldName(key: string): string {
  return /^[a-z][A-Za-z]*$/.test(key) ? key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) : key;
}
