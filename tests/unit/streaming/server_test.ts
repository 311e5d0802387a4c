import { assert, assertEquals, assertMatch } from "@std/assert";
import type { ExecRequest } from "../../../src/streaming/mod.ts";
import { StreamingServer } from "../../../src/streaming/mod.ts";
import { kernel } from "../../../src/sys/mod.ts";
import { silent } from "../pods/support.ts";

/** The whole answer to these bytes, as text; the server closes the connection. */
async function answer(url: string, request: string): Promise<string> {
  const { port } = new URL(url);
  using connection = await Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
  await connection.write(new TextEncoder().encode(request));
  let text = "";
  const buffer = new Uint8Array(4096);
  for (let count; (count = await connection.read(buffer)) !== null;) {
    text += new TextDecoder().decode(buffer.subarray(0, count));
  }
  return text;
}

const status = (text: string) => Number(/^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1]);
const get = (path: string, ...headers: string[]) =>
  [`GET ${path} HTTP/1.1`, "Host: h", ...headers, "", ""].join("\r\n");
const UPGRADE = ["Connection: Upgrade", "Upgrade: SPDY/3.1"];

const request: ExecRequest = {
  stdin: false,
  stdout: true,
  stderr: false,
  tty: false,
  target: () => {
    throw new Error("no container");
  },
};

const start = () => new StreamingServer({ kernel, logger: silent, streamTimeout: 100 });

Deno.test("StreamingServer gives URLs on loopback with a token of 128 bits", async () => {
  await using server = start();
  const url = server.exec(request);
  assertMatch(url, /^http:\/\/127\.0\.0\.1:\d+\/exec\/[A-Za-z0-9_-]{22}$/);
  assert(url !== server.exec(request));
});

Deno.test("StreamingServer serves a token once, and only for what it was given for", async () => {
  await using server = start();
  const url = server.exec(request);
  const { pathname } = new URL(url);
  assertEquals(status(await answer(url, get("/", ...UPGRADE))), 404);
  assertEquals(status(await answer(url, get("/exec/AAAAAAAAAAAAAAAAAAAAAA", ...UPGRADE))), 404);
  assertEquals(status(await answer(url, get(`${pathname}/../..${pathname}x`, ...UPGRADE))), 404);
  const first = await answer(url, get(pathname, ...UPGRADE));
  assertEquals(status(first), 101);
  assertEquals(status(await answer(url, get(pathname, ...UPGRADE))), 404);
  const other = server.exec(request);
  assertEquals(status(await answer(url, get(new URL(other).pathname.replace("exec", "attach"), ...UPGRADE))), 404);
});

Deno.test("StreamingServer refuses requests that ask for no upgrade, with other methods, or for unknown protocols", async () => {
  await using server = start();
  const path = () => new URL(server.exec(request)).pathname;
  const url = server.exec(request);
  assertEquals(status(await answer(url, get(path()))), 400);
  assertEquals(status(await answer(url, get(path()).replace("GET", "DELETE"))), 405);
  const refused = await answer(url, get(path(), ...UPGRADE, "X-Stream-Protocol-Version: v9.channel.k8s.io"));
  assertEquals(status(refused), 403);
  assertMatch(refused, /X-Accepted-Stream-Protocol-Versions: v4\.channel\.k8s\.io,/);
  const webSocket = [
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  ];
  assertEquals(status(await answer(url, get(path(), ...webSocket, "Sec-WebSocket-Protocol: v9"))), 403);
});

Deno.test("StreamingServer takes the client's first choice among several header lines", async () => {
  await using server = start();
  const url = server.exec(request);
  const lines = ["v9", "v4", "v3"].map((version) => `X-Stream-Protocol-Version: ${version}.channel.k8s.io`);
  const text = await answer(url, get(new URL(url).pathname, ...UPGRADE, ...lines));
  assertMatch(text, /X-Stream-Protocol-Version: v4\.channel\.k8s\.io\r\n/);
});

Deno.test("StreamingServer refuses a head that is too long or malformed", async () => {
  await using server = start();
  const url = server.exec(request);
  assertEquals(status(await answer(url, "GET / HTTP/1.1\r\nA: " + "b".repeat(66_000))), 431);
  assertEquals(status(await answer(url, "hello\r\n\r\n")), 400);
  assertEquals(status(await answer(url, "\u0016\u0003\u0001\r\n\r\n")), 400);
});

Deno.test("StreamingServer gives a client that opens no streams up, and ends with its connections", async () => {
  const server = start();
  const url = server.exec(request);
  const began = Date.now();
  await answer(url, get(new URL(url).pathname, ...UPGRADE));
  assert(Date.now() - began < 5_000);
  using idle = await Deno.connect({ hostname: "127.0.0.1", port: Number(new URL(url).port) });
  await idle.write(new TextEncoder().encode("GET "));
  await server[Symbol.asyncDispose]();
  assertEquals(server.connections, 0);
  assertEquals(await idle.read(new Uint8Array(1)), null);
});
