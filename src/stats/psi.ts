import { parseNumber } from "./files.ts";
import type { Psi, PsiData } from "./types.ts";

const LINE = /^(some|full) avg10=([0-9.]+) avg60=([0-9.]+) avg300=([0-9.]+) total=([0-9]+)$/gm;
const NONE: PsiData = { total: 0n, avg10: 0, avg60: 0, avg300: 0 };

/** A `*.pressure` file. The kernel counts microseconds, CRI nanoseconds. Old kernels have no `full` line for cpu: zero. */
export function parsePsi(text: string): Psi | undefined {
  const found: Partial<Psi> = {};
  for (const [, kind, avg10, avg60, avg300, total] of text.matchAll(LINE)) {
    found[kind as keyof Psi] = {
      total: (parseNumber(total) ?? 0n) * 1000n,
      avg10: Number(avg10),
      avg60: Number(avg60),
      avg300: Number(avg300),
    };
  }
  return found.some === undefined ? undefined : { some: found.some, full: found.full ?? NONE };
}
