/** One line of a container's log; `text` ends with a line feed unless the container's own line did not. */
export interface LogLine {
  time: string;
  stream: "stdout" | "stderr";
  text: string;
}

/** `TIME stdout|stderr P|F text`: P (partial) means that the container's line goes on in the next entry of the same stream. */
const ENTRY = /^(\S+) (stdout|stderr) ([PF])(?::\S*)? (.*)$/s;

/** Puts the container's lines together from the bytes of a CRI log file, which may come in any pieces. */
export class LogReader {
  readonly #decoder = new TextDecoder();
  #buffered = "";
  readonly #partial = new Map<string, LogLine>();

  /** The lines that these pieces complete. */
  *push(pieces: Iterable<Uint8Array>): Generator<LogLine> {
    for (const piece of pieces) {
      this.#buffered += this.#decoder.decode(piece, { stream: true });
      let from = 0;
      for (let end = this.#buffered.indexOf("\n"); end >= 0; end = this.#buffered.indexOf("\n", from)) {
        const line = this.#entry(this.#buffered.slice(from, end));
        if (line) yield line;
        from = end + 1;
      }
      this.#buffered = this.#buffered.slice(from);
    }
  }

  /** What the container wrote last without a line feed. */
  *rest(): Generator<LogLine> {
    yield* this.#partial.values();
    this.#partial.clear();
  }

  #entry(entry: string): LogLine | undefined {
    const match = ENTRY.exec(entry);
    // Not of the CRI format, as after a crash in the middle of a line: shown as it is, never dropped.
    if (!match) return entry === "" ? undefined : { time: "", stream: "stdout", text: `${entry}\n` };
    const [, time, stream, tag, text] = match;
    const before = this.#partial.get(stream);
    const line: LogLine = {
      time: before?.time ?? time,
      stream: stream as LogLine["stream"],
      text: (before?.text ?? "") + text,
    };
    if (tag === "P") {
      this.#partial.set(stream, line);
      return undefined;
    }
    this.#partial.delete(stream);
    return { ...line, text: `${line.text}\n` };
  }
}
