import { assert, assertEquals } from "@std/assert";
import { encodeGrpcMessage } from "../../../src/rpc/percent.ts";

Deno.test("encodeGrpcMessage() leaves printable ASCII alone, and encodes the rest as UTF-8", () => {
  assertEquals(encodeGrpcMessage("no such container ~!"), "no such container ~!");
  assertEquals(encodeGrpcMessage("100%"), "100%25");
  assertEquals(encodeGrpcMessage("a\nb\x7f"), "a%0Ab%7F");
  assertEquals(encodeGrpcMessage("grüße"), "gr%C3%BC%C3%9Fe");
  assertEquals(encodeGrpcMessage("🐚"), "%F0%9F%90%9A");
  assertEquals(encodeGrpcMessage(""), "");
});

Deno.test("encodeGrpcMessage() encodes blanks at the ends, which a header value may not have", () => {
  assertEquals(encodeGrpcMessage(" a b "), "%20a b%20");
  assertEquals(encodeGrpcMessage(" "), "%20");
  assertEquals(encodeGrpcMessage("ü "), "%C3%BC%20");
});

Deno.test("encodeGrpcMessage() makes a lone surrogate a replacement character", () => {
  assertEquals(encodeGrpcMessage("\ud800"), "%EF%BF%BD");
});

Deno.test("encodeGrpcMessage() cuts a long text at a character and says so", () => {
  for (const text of ["x".repeat(100_000), "ü".repeat(100_000), "🐚".repeat(100_000)]) {
    const encoded = encodeGrpcMessage(text);
    assert(encoded.length < 13_000 && encoded.length > 12_000);
    assert(encoded.endsWith("..."));
    assert(text.startsWith(decodeURIComponent(encoded.slice(0, -3))));
  }
});
