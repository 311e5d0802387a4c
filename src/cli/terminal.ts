/** Where a command writes. Tests give one that collects. */
export interface Terminal {
  /** Standard output is a terminal: colours, bars and relative times make sense. */
  readonly isTty: boolean;
  /** Width of the terminal; a large number when there is none. */
  readonly columns: number;
  out(text: string): void;
  err(text: string): void;
}

/** The reader of our output has gone, as in `skiff ps | head -1`: not an error. */
export class OutputClosed extends Error {
  override name = "OutputClosed";
}

const encoder = new TextEncoder();

/** The process's own standard output and standard error. */
export function processTerminal(): Terminal {
  const isTty = Deno.stdout.isTerminal();
  return {
    isTty,
    columns: isTty ? Deno.consoleSize().columns : 10_000,
    out: (text) => writeAll(Deno.stdout, text),
    err: (text) => writeAll(Deno.stderr, text),
  };
}

function writeAll(stream: { writeSync(bytes: Uint8Array): number }, text: string): void {
  const bytes = encoder.encode(text);
  try {
    for (let at = 0; at < bytes.length;) at += stream.writeSync(bytes.subarray(at));
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) throw new OutputClosed("standard output was closed");
    throw error;
  }
}
