import { assertEquals, assertThrows } from "@std/assert";
import { headEnd, headerItems, HttpRefusal, parseHead, upgradeOf } from "../../../src/streaming/http_head.ts";
import { bytes } from "./memory_transport.ts";

const head = (...lines: string[]) => bytes([...lines, "", ""].join("\r\n"));
const refused = (raw: Uint8Array, status: number) => {
  const error = assertThrows(() => parseHead(raw), HttpRefusal) as HttpRefusal;
  assertEquals(error.status, status);
};

Deno.test("headEnd() finds the empty line, also when it comes in pieces", () => {
  const raw = bytes("GET / HTTP/1.1\r\nA: b\r\n\r\nrest");
  assertEquals(headEnd(raw), raw.length - 4);
  assertEquals(headEnd(raw.subarray(0, raw.length - 5)), -1);
  assertEquals(headEnd(raw, raw.length - 5), raw.length - 4);
  assertEquals(headEnd(bytes("GET / HTTP/1.1\n\n")), -1);
});

Deno.test("parseHead() joins header lines of one name, and drops the query", () => {
  const parsed = parseHead(head(
    "POST /exec/abc?x=1 HTTP/1.1",
    "Host: h",
    "X-Stream-Protocol-Version: v4.channel.k8s.io",
    "x-stream-protocol-version:v3.channel.k8s.io , v2.channel.k8s.io",
    "Connection: keep-alive, Upgrade",
    "Upgrade: SPDY/3.1",
    "Content-Length: 0",
  ));
  assertEquals([parsed.method, parsed.path], ["POST", "/exec/abc"]);
  assertEquals(headerItems(parsed, "x-stream-protocol-version"), [
    "v4.channel.k8s.io",
    "v3.channel.k8s.io",
    "v2.channel.k8s.io",
  ]);
  assertEquals(upgradeOf(parsed), "spdy/3.1");
});

Deno.test("upgradeOf() wants the Connection header, too", () => {
  assertEquals(upgradeOf(parseHead(head("GET / HTTP/1.1", "Upgrade: websocket"))), undefined);
  assertEquals(upgradeOf(parseHead(head("GET / HTTP/1.1", "Connection: upgrade"))), undefined);
});

Deno.test("parseHead() refuses what is no request", () => {
  refused(head("GET  / HTTP/1.1"), 400);
  refused(head("GET /\u0000 HTTP/1.1"), 400);
  refused(head("get / HTTP/1.1"), 400);
  refused(head("GET / HTTP/1.0"), 505);
  refused(head("PRI * HTTP/2.0"), 505);
  refused(head(""), 400);
});

Deno.test("parseHead() refuses malformed headers", () => {
  refused(head("GET / HTTP/1.1", "No colon"), 400);
  refused(head("GET / HTTP/1.1", "Space : before the colon"), 400);
  refused(head("GET / HTTP/1.1", "A: b", " folded"), 400);
  refused(head("GET / HTTP/1.1", ": empty"), 400);
  refused(head("GET / HTTP/1.1", "A: b\nC: d"), 400);
  refused(head("GET / HTTP/1.1", "A: b\u0000"), 400);
});

Deno.test("parseHead() refuses a body, and too many headers", () => {
  refused(head("POST / HTTP/1.1", "Content-Length: 1"), 400);
  refused(head("POST / HTTP/1.1", "Content-Length: 0", "Content-Length: 5"), 400);
  refused(head("POST / HTTP/1.1", "Transfer-Encoding: chunked"), 400);
  refused(head("GET / HTTP/1.1", ...Array.from({ length: 200 }, (_, index) => `A${index}: b`)), 431);
});
