/** JSON whose every value knows its line: a mistake in a policy has to be found by a person. */
export type Located =
  & { line: number }
  & (
    | { kind: "object"; entries: Map<string, Located> }
    | { kind: "list"; items: Located[] }
    | { kind: "plain"; value: string | number | boolean | null }
  );

export class LocatedError extends Error {
  constructor(message: string, readonly line: number) {
    super(message);
  }
}

/** Deep enough for any policy, and no deeper than the stack. */
const MAX_DEPTH = 32;
const TOKEN = /\s*(?:([{}[\],:])|("(?:[^"\\]|\\.)*")|([^\s{}[\],:"]+))/y;

/** @throws {LocatedError} for what is not JSON, and for a key that stands twice in one object. */
export function parseLocated(text: string): Located {
  try {
    JSON.parse(text);
  } catch (error) {
    const message = (error as Error).message;
    const position = Number(/position ([0-9]+)/.exec(message)?.[1] ?? text.length);
    throw new LocatedError(`is not JSON: ${message}`, lineAt(text, position));
  }
  return new Scanner(text).value(0);
}

/** Reads text that is known to be JSON. */
class Scanner {
  #text: string;
  #at = 0;
  #line = 1;
  #counted = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(depth: number): Located {
    return this.#from(this.#next(), depth);
  }

  #from(token: string, depth: number): Located {
    const line = this.#line;
    if (depth > MAX_DEPTH) throw new LocatedError(`is more than ${MAX_DEPTH} levels deep`, line);
    if (token === "{") return { kind: "object", entries: this.#entries(depth), line };
    if (token === "[") return { kind: "list", items: this.#items(depth), line };
    return { kind: "plain", value: JSON.parse(token), line };
  }

  #entries(depth: number): Map<string, Located> {
    const entries = new Map<string, Located>();
    for (let token = this.#next(); token !== "}"; token = this.#next()) {
      if (token === ",") continue;
      const key = JSON.parse(token) as string;
      if (entries.has(key)) throw new LocatedError(`has the key ${JSON.stringify(key)} twice`, this.#line);
      this.#next();
      entries.set(key, this.value(depth + 1));
    }
    return entries;
  }

  #items(depth: number): Located[] {
    const items: Located[] = [];
    for (let token = this.#next(); token !== "]"; token = this.#next()) {
      if (token !== ",") items.push(this.#from(token, depth + 1));
    }
    return items;
  }

  #next(): string {
    TOKEN.lastIndex = this.#at;
    const match = TOKEN.exec(this.#text)!;
    this.#at = TOKEN.lastIndex;
    const token = match[1] ?? match[2] ?? match[3];
    const start = this.#at - token.length;
    for (; this.#counted < start; this.#counted++) if (this.#text[this.#counted] === "\n") this.#line++;
    return token;
  }
}

function lineAt(text: string, position: number): number {
  return text.slice(0, position).split("\n").length;
}
