import { ENODEV, ENOENT, EOPNOTSUPP, isErrno, type Kernel } from "../sys/mod.ts";

/** The file's text; undefined where the node does not have it, its controller is off, or its cgroup is going away. */
export function readIfThere(kernel: Kernel, path: string): string | undefined {
  try {
    return kernel.readText(path);
  } catch (error) {
    if (isErrno(error, ENOENT, ENODEV, EOPNOTSUPP)) return undefined;
    throw error;
  }
}

/** A file that holds one number; undefined where it is not there, or says "max". */
export function readNumber(kernel: Kernel, path: string): bigint | undefined {
  const text = readIfThere(kernel, path);
  return text === undefined ? undefined : parseNumber(text);
}

/** A whole number of zero or more in decimal; undefined for all else. */
export function parseNumber(text: string): bigint | undefined {
  const trimmed = text.trim();
  return /^[0-9]{1,20}$/.test(trimmed) ? BigInt(trimmed) : undefined;
}

/** Lines of `key value`, as in memory.stat and cpu.stat. Only the keys asked for are turned into numbers. */
export function parseFlatKeyed<Key extends string>(
  text: string | undefined,
  ...keys: Key[]
): Partial<Record<Key, bigint>> {
  const found: Partial<Record<Key, bigint>> = {};
  if (text === undefined) return found;
  for (const line of text.split("\n")) {
    const space = line.indexOf(" ");
    const key = line.slice(0, space) as Key;
    if (!keys.includes(key)) continue;
    const value = parseNumber(line.slice(space + 1));
    if (value !== undefined) found[key] = value;
  }
  return found;
}

/** `a - b`, not below 0: the two were not read at the same instant. Undefined where one is not known. */
export function difference(a: bigint | undefined, b: bigint | undefined): bigint | undefined {
  if (a === undefined || b === undefined) return undefined;
  return a > b ? a - b : 0n;
}
