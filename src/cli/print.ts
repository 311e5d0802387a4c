import type { Terminal } from "./terminal.ts";

/** Pretty JSON; a 64-bit number becomes a number where that loses nothing, else a string, bytes become base64. */
export function printJson(terminal: Terminal, value: unknown): void {
  terminal.out(`${JSON.stringify(value, jsonValue, 2)}\n`);
}

function jsonValue(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") {
    return value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= BigInt(Number.MIN_SAFE_INTEGER)
      ? Number(value)
      : String(value);
  }
  if (value instanceof Uint8Array) return value.toBase64();
  return value;
}

/** Columns as wide as their widest cell, two spaces apart, headings in capitals; nothing is padded at the end of a line. */
export function printTable(terminal: Terminal, headings: string[], rows: string[][]): void {
  const lines = [headings.map((heading) => heading.toUpperCase()), ...rows.map((row) => row.map(oneLine))];
  const widths = headings.map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  for (const line of lines) {
    terminal.out(`${line.map((cell, column) => cell.padEnd(widths[column])).join("  ").trimEnd()}\n`);
  }
}

/** Text from an image or a pod must not move the cursor or break the table. */
export function oneLine(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, "�");
}

/** The `info` map of a verbose CRI answer: its values are JSON where the daemon has structure to show. */
export function parseInfo(info: Record<string, string>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(info).map(([key, value]) => {
      try {
        return [key, JSON.parse(value)];
      } catch {
        return [key, value];
      }
    }),
  );
}
