import { LIMITS } from "./limits.ts";
import type { ByteSource } from "./types.ts";

export interface TerminalSize {
  rows: number;
  columns: number;
}

const MAX = 65_535;

/** The sizes that a client sends: flat JSON objects, one after the other, in pieces of any length. Ends at anything else. */
export async function* terminalSizes(source: ByteSource): AsyncGenerator<TerminalSize, void> {
  const decoder = new TextDecoder();
  let text = "";
  for (let bytes; (bytes = await source.read()) !== null;) {
    text += decoder.decode(bytes, { stream: true });
    for (let end; (end = text.indexOf("}")) >= 0;) {
      const size = parseSize(text.slice(0, end + 1));
      if (size === undefined) return source.discard();
      yield size;
      text = text.slice(end + 1);
    }
    if (text.length > LIMITS.resizeBytes) return source.discard();
  }
}

function parseSize(text: string): TerminalSize | undefined {
  try {
    const { Width, Height } = JSON.parse(text);
    const valid = [Width, Height].every((value) => Number.isInteger(value) && value >= 0 && value <= MAX);
    return valid ? { rows: Height, columns: Width } : undefined;
  } catch {
    return undefined;
  }
}
