import { LIMITS } from "./limits.ts";

/** Why a request is refused before anything has been started for it. */
export class HttpRefusal extends Error {
  constructor(readonly status: number, message: string, readonly headers: Record<string, string> = {}) {
    super(message);
  }
}

export interface HttpHead {
  method: string;
  /** Without the query. */
  path: string;
  /** Names in lower case; lines with the same name joined by commas. */
  headers: Map<string, string>;
}

const CR = 13;
const LF = 10;

/** Offset behind the empty line that ends the head, or -1; the search starts at `from`. */
export function headEnd(bytes: Uint8Array, from = 0): number {
  for (let i = Math.max(from, 3); i < bytes.length; i++) {
    if (bytes[i] === LF && bytes[i - 1] === CR && bytes[i - 2] === LF && bytes[i - 3] === CR) return i + 1;
  }
  return -1;
}

const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

const latin1 = new TextDecoder("latin1");

/** Parses request line and headers (RFC 9112, no folded lines). HttpRefusal with status 400, 431 or 505. */
export function parseHead(bytes: Uint8Array): HttpHead {
  const lines = latin1.decode(bytes.subarray(0, bytes.length - 4)).split("\r\n");
  if (lines.length - 1 > LIMITS.headLines) {
    throw new HttpRefusal(431, `${lines.length - 1} header lines; at most ${LIMITS.headLines} are taken`);
  }
  const request = /^([A-Z]+) ([\x21-\x7e]+) HTTP\/(\d\.\d)$/.exec(lines[0]);
  if (request === null) throw new HttpRefusal(400, "the first line is not an HTTP request line");
  const [, method, target, version] = request;
  if (version !== "1.1") throw new HttpRefusal(505, `HTTP/${version} cannot be upgraded; HTTP/1.1 can`);
  const headers = new Map<string, string>();
  for (const line of lines.slice(1)) {
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(colon, 0));
    const value = line.slice(colon + 1).trim();
    if (!NAME.test(name) || !VALUE.test(value)) throw new HttpRefusal(400, "a header line is malformed");
    const key = name.toLowerCase();
    const earlier = headers.get(key);
    headers.set(key, earlier === undefined ? value : `${earlier},${value}`);
  }
  if (headers.has("transfer-encoding") || !/^0*$/.test(headers.get("content-length") ?? "")) {
    throw new HttpRefusal(400, "a request that asks for an upgrade must have no body");
  }
  return { method, path: pathOf(target), headers };
}

/** Of `/path?query` and of `http://host/path?query`. */
function pathOf(target: string): string {
  const url = URL.parse(target, "http://host");
  if (url === null) throw new HttpRefusal(400, "the request target is malformed");
  return url.pathname;
}

/** The items of a comma-separated header, without white space around them. */
export function headerItems(head: HttpHead, name: string): string[] {
  return (head.headers.get(name) ?? "").split(",").map((item) => item.trim()).filter((item) => item !== "");
}

/** The protocol that the request wants to change to, in lower case; undefined when it wants none. */
export function upgradeOf(head: HttpHead): string | undefined {
  const connection = headerItems(head, "connection").map((item) => item.toLowerCase());
  const upgrade = head.headers.get("upgrade");
  return connection.includes("upgrade") && upgrade ? upgrade.toLowerCase() : undefined;
}

const REASONS: Record<number, string> = {
  101: "Switching Protocols",
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  426: "Upgrade Required",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  503: "Service Unavailable",
  505: "HTTP Version Not Supported",
};

const encoder = new TextEncoder();

function responseHead(status: number, headers: Record<string, string>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${REASONS[status]}\r\n${lines.join("")}\r\n`;
}

/** A whole answer after which the connection is closed. */
export function refusalResponse({ status, message, headers }: HttpRefusal): Uint8Array {
  const body = `${message}\n`;
  return encoder.encode(
    responseHead(status, {
      ...headers,
      "Content-Type": "text/plain; charset=utf-8",
      "Content-Length": String(encoder.encode(body).length),
      "Connection": "close",
    }) + body,
  );
}

/** The answer after which the connection speaks the other protocol. */
export function upgradeResponse(headers: Record<string, string>): Uint8Array {
  return encoder.encode(responseHead(101, { Connection: "Upgrade", ...headers }));
}
