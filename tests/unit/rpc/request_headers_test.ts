import { assertEquals } from "@std/assert";
import { HeaderField } from "../../../src/rpc/hpack_table.ts";
import { areTrailersValid, parseRequestHeaders } from "../../../src/rpc/request_headers.ts";

const PSEUDO: [string, string][] = [[":method", "POST"], [":scheme", "http"], [":path", "/s/M"], [
  ":authority",
  "localhost",
]];

function parse(...fields: [string, string][]): ReturnType<typeof parseRequestHeaders> {
  return parseRequestHeaders(fields.map(([name, value]) => new HeaderField(name, value)), false);
}

Deno.test("parseRequestHeaders() keeps what gRPC needs", () => {
  const headers = parse(
    ...PSEUDO,
    ["content-type", "application/grpc"],
    ["te", "trailers"],
    ["grpc-timeout", "1S"],
    ["grpc-encoding", "identity"],
    ["traceparent", "00-1-2-01"],
    ["content-length", "12"],
    ["user-agent", "grpc-go"],
  );
  assertEquals(headers, {
    method: "POST",
    path: "/s/M",
    contentType: "application/grpc",
    timeout: "1S",
    encoding: "identity",
    traceparent: "00-1-2-01",
    contentLength: 12,
    tooLarge: false,
  });
});

for (
  const [name, fields] of [
    ["no path", PSEUDO.filter(([name]) => name !== ":path")],
    ["no method", PSEUDO.filter(([name]) => name !== ":method")],
    ["no scheme", PSEUDO.filter(([name]) => name !== ":scheme")],
    ["a path twice", [...PSEUDO, [":path", "/"]]],
    ["an unknown pseudo field", [...PSEUDO, [":status", "200"]]],
    ["a pseudo field after others", [["a", "b"], ...PSEUDO]],
    ["an upper-case name", [...PSEUDO, ["Te", "trailers"]]],
    ["a connection field", [...PSEUDO, ["connection", "close"]]],
    ["another te", [...PSEUDO, ["te", "gzip"]]],
    ["a content-length that is no number", [...PSEUDO, ["content-length", "-1"]]],
    ["two content-lengths that differ", [...PSEUDO, ["content-length", "1"], ["content-length", "2"]]],
  ] as [string, [string, string][]][]
) {
  Deno.test(`parseRequestHeaders() refuses ${name}`, () => {
    assertEquals(parse(...fields), undefined);
  });
}

Deno.test("parseRequestHeaders() of a list that was cut does not miss what is missing", () => {
  assertEquals(parseRequestHeaders([new HeaderField(":method", "POST")], true)?.tooLarge, true);
});

Deno.test("areTrailersValid() refuses pseudo fields", () => {
  assertEquals(areTrailersValid([new HeaderField("a", "b")]), true);
  assertEquals(areTrailersValid([new HeaderField(":path", "/")]), false);
});
