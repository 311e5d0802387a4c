import { type Answer, failure, type Question } from "./answers.ts";

export interface HttpServerOptions {
  answer: (question: Question) => Answer;
  /** The bytes of an answer's body. Throws where they cannot be vouched for: the client sees that they end too early. */
  content: (body: NonNullable<Answer["body"]>) => AsyncIterable<Uint8Array>;
  /** Connections at the same time; more are refused. */
  maxConnections: number;
  /** Milliseconds for a whole head to come, for the next one on the same connection, and for a client to take a piece of an answer. */
  patience: { head: number; idle: number; send: number };
  /**
   * Told how many clients hold a connection though they were given up on: Deno cannot take back a write that its client does
   * not take. They count no more among the connections, but only the end of the process closes theirs.
   */
  onStuck: (count: number) => void;
}

const MAX_HEAD = 8 << 10;
const REASONS: Record<number, string> = {
  200: "OK",
  206: "Partial Content",
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  416: "Range Not Satisfiable",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  503: "Service Unavailable",
};
const METHOD = /^[A-Z]{1,16}$/;
const FIELD = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)$/;

/**
 * HTTP/1.1 (RFC 9112) for clients that nobody knows: requests without bodies, a head of at most 8 KB, few connections, and
 * none that is held open by doing nothing. Deno's own server knows none of these limits.
 */
export class HttpServer {
  #options: HttpServerOptions;
  #connections = 0;
  #stuck = 0;

  constructor(options: HttpServerOptions) {
    this.#options = options;
  }

  /** Serves until the listener is closed. */
  async serve(listener: Deno.Listener): Promise<void> {
    for (;;) {
      let connection: Deno.Conn;
      try {
        connection = await listener.accept();
      } catch (error) {
        if (error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted) return;
        // A handshake of TLS that failed, or no descriptor left.
        await new Promise((resolve) => setTimeout(resolve, 10));
        continue;
      }
      this.#connections++;
      const client = new Client(connection, this.#options.patience, (written) => this.#giveUp(written));
      this.#converse(client).catch(() => {}).finally(() => {
        client.close();
        this.#connections--;
      });
    }
  }

  async #giveUp(written: Promise<unknown>): Promise<void> {
    this.#options.onStuck(++this.#stuck);
    await written.catch(() => {});
    this.#stuck--;
  }

  async #converse(client: Client): Promise<void> {
    if (this.#connections > this.#options.maxConnections) {
      const refusal = failure(503, "TOOMANYREQUESTS", "too many connections; try again later");
      return await this.#send(client, { ...refusal, headers: { ...refusal.headers, "retry-after": "5" } }, false, true);
    }
    for (let isFirst = true;; isFirst = false) {
      const head = await client.head(isFirst);
      if (head === undefined) return;
      if (head === "too long") {
        return await this.#send(client, failure(431, "DENIED", "the head of the request is too long"), false, true);
      }
      const question = parseHead(head);
      if (!question) return await this.#send(client, failure(400, "DENIED", "this is not a request"), false, true);
      const last = isLast(question);
      await this.#send(client, this.#answer(question), question.method === "HEAD", last);
      if (last) return;
    }
  }

  #answer(question: Question): Answer {
    try {
      return this.#options.answer(question);
    } catch {
      return failure(500, "UNKNOWN", "the request could not be answered");
    }
  }

  async #send(client: Client, { status, headers, body }: Answer, bare: boolean, last: boolean): Promise<void> {
    const lines = Object.entries({
      ...headers,
      "docker-distribution-api-version": "registry/2.0",
      "x-content-type-options": "nosniff",
      ...(last ? { connection: "close" } : {}),
    }).map(([name, value]) => `${name}: ${value}\r\n`);
    const head = `HTTP/1.1 ${status} ${REASONS[status] ?? ""}\r\n${lines.join("")}\r\n`;
    await client.write(new TextEncoder().encode(head));
    if (bare || !body) return;
    for await (const part of this.#options.content(body)) await client.write(part);
  }
}

/** A connection whose other end gets only so much time. */
class Client {
  #connection: Deno.Conn;
  #patience: HttpServerOptions["patience"];
  #rest = new Uint8Array(0);
  #timer = 0;
  #onStuck: (written: Promise<unknown>) => void;

  constructor(
    connection: Deno.Conn,
    patience: HttpServerOptions["patience"],
    onStuck: (written: Promise<unknown>) => void,
  ) {
    this.#connection = connection;
    this.#patience = patience;
    this.#onStuck = onStuck;
  }

  /** Up to the empty line; undefined at the end of the connection. */
  async head(isFirst: boolean): Promise<string | "too long" | undefined> {
    let hasBegun = isFirst || this.#rest.length > 0;
    this.#closeAfter(hasBegun ? this.#patience.head : this.#patience.idle);
    const buffer = new Uint8Array(MAX_HEAD);
    for (;;) {
      const end = endOfHead(this.#rest);
      if (end >= 0) {
        const head = new TextDecoder("latin1").decode(this.#rest.subarray(0, end));
        this.#rest = this.#rest.slice(end + 4);
        return head;
      }
      if (this.#rest.length > MAX_HEAD) return "too long";
      const count = await this.#connection.read(buffer);
      if (count === null) return undefined;
      if (!hasBegun) this.#closeAfter(this.#patience.head);
      hasBegun = true;
      const joined = new Uint8Array(this.#rest.length + count);
      joined.set(this.#rest);
      joined.set(buffer.subarray(0, count), this.#rest.length);
      this.#rest = joined;
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const written = this.#connection.write(bytes.subarray(done));
      clearTimeout(this.#timer);
      const count = await Promise.race([
        written,
        new Promise<undefined>((resolve) => this.#timer = setTimeout(resolve, this.#patience.send)),
      ]);
      if (count === undefined) {
        this.#onStuck(written);
        throw new Error("the client takes nothing");
      }
      done += count;
    }
    clearTimeout(this.#timer);
  }

  close(): void {
    clearTimeout(this.#timer);
    try {
      this.#connection.close();
    } catch {
      // The clock was faster.
    }
  }

  #closeAfter(milliseconds: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.close(), milliseconds);
  }
}

function endOfHead(bytes: Uint8Array): number {
  for (let at = bytes.indexOf(13); at >= 0; at = bytes.indexOf(13, at + 1)) {
    if (bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) return at;
  }
  return -1;
}

/** Undefined for what is not a request, or has a body: where that ends, two readers may not agree on. */
function parseHead(head: string): Question | undefined {
  const [first, ...lines] = head.split("\r\n");
  const [method, target, version, ...more] = first.split(" ");
  if (more.length > 0 || !METHOD.test(method) || (version !== "HTTP/1.1" && version !== "HTTP/1.0")) return undefined;
  if (!/^\/[\x21-\x7e]*$/.test(target ?? "")) return undefined;
  const headers = new Map<string, string>();
  for (const line of lines) {
    const [, name, value] = FIELD.exec(line) ?? [];
    if (name === undefined || headers.has(name.toLowerCase()) && name.toLowerCase() === "host") return undefined;
    headers.set(name.toLowerCase(), value.trim());
  }
  if (version === "HTTP/1.0") headers.set("connection", "close");
  else if (!headers.has("host")) return undefined;
  return { method, target, headers };
}

/** A connection whose client may still send a body is not read from again. */
function isLast({ method, headers }: Question): boolean {
  return (method !== "GET" && method !== "HEAD") || (headers.get("content-length") ?? "0") !== "0" ||
    headers.has("transfer-encoding") || (headers.get("connection") ?? "").toLowerCase().includes("close");
}
