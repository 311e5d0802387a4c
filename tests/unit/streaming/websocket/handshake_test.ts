import { assertEquals, assertRejects } from "@std/assert";
import { type HttpHead, HttpRefusal } from "../../../../src/streaming/http_head.ts";
import { agree } from "../../../../src/streaming/websocket/handshake.ts";

const head = (headers: Record<string, string> = {}, method = "GET"): HttpHead => ({
  method,
  path: "/",
  headers: new Map(Object.entries({
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    ...headers,
  })),
});

Deno.test("agree() answers the key as RFC 6455 has it, and takes the client's first choice", async () => {
  const offered = head({ "sec-websocket-protocol": "v9, b, a" });
  assertEquals(await agree(offered, ["a", "b", ""]), {
    protocol: "b",
    headers: {
      "Upgrade": "websocket",
      "Sec-WebSocket-Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
      "Sec-WebSocket-Protocol": "b",
    },
  });
});

Deno.test("agree() names no subprotocol to a client that offers none", async () => {
  const { protocol, headers } = await agree(head(), ["a", ""]);
  assertEquals([protocol, headers["Sec-WebSocket-Protocol"]], ["", undefined]);
});

for (
  const [what, request, status] of [
    ["another method", head({}, "POST"), 405],
    ["another version", head({ "sec-websocket-version": "8" }), 426],
    ["a key that is none", head({ "sec-websocket-key": "short" }), 400],
    ["subprotocols that are not spoken", head({ "sec-websocket-protocol": "x, y" }), 403],
  ] as [string, HttpHead, number][]
) {
  Deno.test(`agree() refuses ${what}`, async () => {
    const error = await assertRejects(() => agree(request, ["a", ""]), HttpRefusal) as HttpRefusal;
    assertEquals(error.status, status);
  });
}
