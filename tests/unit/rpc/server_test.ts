import { assert, assertEquals, assertRejects } from "@std/assert";
import { Code, type RpcError } from "../../../src/rpc/mod.ts";
import { messagePrefix } from "../../../src/rpc/message_reader.ts";
import { bytesOf, concat } from "./bytes.ts";
import { BytesServer, eventually, path, utf8 } from "./bytes_service.ts";
import { type Answer, ErrorCode, Flag, FrameType, RawClient, uint32 } from "./raw_client.ts";

const MEBIBYTE = 1024 * 1024;

function serverTest(
  name: string,
  body: (client: RawClient, server: BytesServer) => Promise<void>,
  options?: Parameters<typeof BytesServer.start>[0],
): void {
  Deno.test(name, async () => {
    await using server = await BytesServer.start(options);
    using client = await RawClient.connect(server.socket);
    await body(client, server);
  });
}

function status({ fields }: Answer): [code: Code, message: string] {
  return [Number(fields["grpc-status"]), decodeURIComponent(fields["grpc-message"] ?? "")];
}

function message(text: string): Uint8Array {
  const bytes = utf8(text);
  return concat(messagePrefix(bytes.length), bytes);
}

serverTest("Server answers a unary call, and tells onCall", async (client, server) => {
  const answer = await client.call(path("Echo"), utf8("hello"), [["traceparent", "00-ab-cd-01"]]);
  assertEquals(answer.fields, { ":status": "200", "content-type": "application/grpc", "grpc-status": "0" });
  assertEquals(answer.body, message("hello"));
  const [method, code, milliseconds] = server.calls[0];
  assertEquals([method, code], [path("Echo"), Code.OK]);
  assert(milliseconds >= 0 && milliseconds < 1000);
  assertEquals([server.contexts[0].method, server.contexts[0].traceparent], [path("Echo"), "00-ab-cd-01"]);
  assertEquals([server.contexts[0].deadline, server.contexts[0].signal.aborted], [undefined, false]);
});

serverTest("Server takes a message that is split into many DATA frames", async (client) => {
  const id = await client.begin(path("Echo"));
  for (const byte of message("in pieces")) await client.send(FrameType.DATA, 0, id, Uint8Array.of(byte));
  await client.send(FrameType.DATA, Flag.END_STREAM, id);
  assertEquals((await client.answer(id)).body, message("in pieces"));
});

serverTest("Server takes padded DATA and a request that ends with trailers", async (client) => {
  const id = await client.begin(path("Echo"));
  await client.send(FrameType.DATA, Flag.PADDED, id, concat(bytesOf("02"), message("padded"), bytesOf("0000")));
  await client.send(FrameType.HEADERS, Flag.END_HEADERS | Flag.END_STREAM, id, bytesOf("00 01 61 01 62"));
  assertEquals((await client.answer(id)).body, message("padded"));
});

serverTest("Server joins the parts of an Encoded response", async (client) => {
  assertEquals((await client.call(path("Join"))).body, message("one,two"));
});

serverTest("Server turns what a handler throws into status and message", async (client, server) => {
  for (const code of [1, 5, 14, 16]) {
    const answer = await client.call(path("Fail"), utf8(`${code} kein % Platz für\n容器`));
    assertEquals(status(answer), [code, "kein % Platz für\n容器"]);
    assertEquals(server.calls.at(-1)?.[1], code);
  }
  assertEquals(server.warnings, []);
  assertEquals(status(await client.call(path("Fail"), utf8(" plain"))), [Code.UNKNOWN, "plain: the cause"]);
  assertEquals(server.warnings, ["a call failed unexpectedly: Error: plain"]);
  assertEquals(status(await client.call(path("Fail"), utf8("0 ok is no error")))[0], Code.UNKNOWN);
});

serverTest("Server answers a request that it cannot decode with INTERNAL", async (client) => {
  assertEquals(status(await client.call(path("Echo"), bytesOf("ff"))), [
    Code.INTERNAL,
    "/test.v1.Bytes/Echo: cannot decode the request of 1 bytes: invalid wire type",
  ]);
});

serverTest("Server names what it does not implement", async (client) => {
  for (
    const [called, text] of [
      [path("Missing"), "test.v1.Bytes/Missing is not implemented"],
      [path("Fly"), "unknown method Fly of service test.v1.Bytes"],
      ["/other.Service/Fly", "unknown service other.Service"],
      ["/nothing", "/nothing does not name a service and a method"],
    ]
  ) {
    assertEquals(status(await client.call(called)), [Code.UNIMPLEMENTED, text]);
  }
});

serverTest("Server refuses compressed messages and says what it accepts", async (client) => {
  const answer = await client.call(path("Echo"), utf8("x"), [["grpc-encoding", "gzip"]]);
  assertEquals(status(answer)[0], Code.UNIMPLEMENTED);
  assertEquals(answer.fields["grpc-accept-encoding"], "identity");
  assertEquals(status(await client.call(path("Echo"), utf8("x"), [["grpc-encoding", "identity"]]))[0], Code.OK);
  const id = await client.begin(path("Echo"));
  await client.sendBody(id, bytesOf("01 00000001 78"));
  assertEquals(status(await client.answer(id))[0], Code.INTERNAL);
});

serverTest("Server answers what is not gRPC with 415 and a sentence", async (client) => {
  for (const contentType of ["application/json", "application/grpc-web", ""]) {
    const id = await client.begin(path("Echo"), [["content-type", contentType]]);
    await client.sendBody(id, message("x"));
    const answer = await client.answer(id);
    assertEquals(answer.fields[":status"], "415");
    assert(new TextDecoder().decode(answer.body).includes("application/grpc"));
  }
  for (const contentType of ["application/grpc+proto", "application/grpc;charset=utf-8"]) {
    const answer = await client.call(path("Echo"), utf8("x"), [["content-type", contentType]]);
    assertEquals(answer.fields[":status"], "200");
  }
});

serverTest("Server says in words that HTTP/1 is not spoken here", async (_client, server) => {
  using conn = await Deno.connect({ transport: "unix", path: server.socket });
  await conn.write(utf8("GET /metrics HTTP/1.1\r\n\r\n"));
  assert((await new Response(conn.readable).text()).includes("this socket speaks gRPC"));
});

serverTest("Server streams, and ends with OK or with an error after the messages", async (client, server) => {
  const answer = await client.call(path("Stream"), utf8("3 1"));
  assertEquals(answer.body, bytesOf("0000000001 00 0000000001 01 0000000001 02"));
  assertEquals(status(answer), [Code.OK, ""]);
  const failed = await client.call(path("Stream"), utf8("1 1 broken"));
  assertEquals([failed.body.length, ...status(failed)], [6, Code.ABORTED, "broken"]);
  const early = await client.call(path("Stream"), utf8("0 0 early"));
  assertEquals([early.body.length, ...status(early)], [0, Code.ABORTED, "early"]);
  assertEquals(server.streams, 0);
});

serverTest("Server ends a call at its deadline and aborts the handler", async (client, server) => {
  const started = performance.now();
  const answer = await client.call(path("Wait"), undefined, [["grpc-timeout", "80m"]]);
  assertEquals(status(answer)[0], Code.DEADLINE_EXCEEDED);
  const took = performance.now() - started;
  assert(took >= 79 && took < 2000, `${took} ms`);
  assertEquals((server.aborted[0] as RpcError).code, Code.DEADLINE_EXCEEDED);
  assertEquals(server.calls.map(([, code]) => code), [Code.DEADLINE_EXCEEDED]);
});

serverTest("Server gives the handler the deadline, and does not abort a call that is over", async (client, server) => {
  const before = Date.now();
  await client.call(path("Echo"), utf8("x"), [["grpc-timeout", "50m"]]);
  const { deadline, signal } = server.contexts[0];
  assert(deadline! >= before + 50 && deadline! <= Date.now() + 50);
  await new Promise((resolve) => setTimeout(resolve, 100));
  assertEquals([signal.aborted, server.calls.length], [false, 1]);
});

serverTest("Server ends a call with a deadline of nothing, and refuses a malformed one", async (client) => {
  assertEquals(status(await client.call(path("Wait"), undefined, [["grpc-timeout", "0n"]]))[0], Code.DEADLINE_EXCEEDED);
  assertEquals(status(await client.call(path("Wait"), undefined, [["grpc-timeout", "soon"]]))[0], Code.INTERNAL);
});

serverTest("Server ends a stream at its deadline with trailers", async (client, server) => {
  const answer = await client.call(path("Stream"), utf8("1000000000 10"), [["grpc-timeout", "50m"]]);
  assert(answer.resetCode === ErrorCode.CANCEL || status(answer)[0] === Code.DEADLINE_EXCEEDED);
  await eventually(() => server.streams === 0, "the end of the generator");
});

serverTest("Server aborts the handler of a call that the client resets", async (client, server) => {
  const id = await client.start(path("Wait"));
  await eventually(() => server.waiting === 1, "the handler");
  await client.send(FrameType.RST_STREAM, 0, id, uint32(ErrorCode.CANCEL));
  await eventually(() => server.waiting === 0, "the abort");
  assertEquals((server.aborted[0] as RpcError).code, Code.CANCELLED);
  assertEquals(server.calls.map(([, code]) => code), [Code.CANCELLED]);
  assertEquals((await client.call(path("Echo"), utf8("on"))).body, message("on"));
});

serverTest("Server aborts all handlers of a client that goes away", async (client, server) => {
  for (let count = 0; count < 10; count++) await client.start(path("Wait"));
  await eventually(() => server.waiting === 10, "the handlers");
  client[Symbol.dispose]();
  await eventually(() => server.waiting === 0, "the aborts");
  assertEquals(server.calls.map(([, code]) => code), Array(10).fill(Code.CANCELLED));
});

serverTest("Server refuses messages over the limit either way, and goes on", async (client) => {
  const request = await client.begin(path("Echo"));
  await client.sendBody(request, messagePrefix(MEBIBYTE + 1), false);
  assertEquals(status(await client.answer(request)), [
    Code.RESOURCE_EXHAUSTED,
    `the request has ${MEBIBYTE + 1} bytes, more than the limit of ${MEBIBYTE}`,
  ]);
  // What was already on its way for that stream is no error.
  await client.sendBody(request, new Uint8Array(100_000));
  const response = await client.call(path("Make"), utf8(String(MEBIBYTE + 1)));
  assertEquals(status(response)[0], Code.RESOURCE_EXHAUSTED);
  assertEquals((await client.call(path("Make"), utf8(String(MEBIBYTE)))).body.length, MEBIBYTE + 5);
});

serverTest("Server answers PING while calls run", async (client) => {
  await client.start(path("Wait"));
  await client.send(FrameType.PING, 0, 0, utf8("12345678"));
  await client.until(
    () => client.frames.some(({ type, flags }) => type === FrameType.PING && flags === Flag.ACK),
    "PONG",
  );
  const pong = client.frames.find(({ type }) => type === FrameType.PING);
  assertEquals(pong?.payload, utf8("12345678"));
});

serverTest("Server says that its header table is empty after the client lowered the size", async (client) => {
  await client.send(FrameType.SETTINGS, 0, 0, bytesOf("0001 00000000"));
  await client.call(path("Echo"), utf8("x"));
  await client.call(path("Echo"), utf8("x"));
  const blocks = client.frames.filter(({ type }) => type === FrameType.HEADERS).map(({ payload }) => payload[0]);
  assertEquals(blocks.map((first) => first === 0x20), [true, false, false, false]);
});

serverTest("Server.stop() lets running calls end, takes no new ones, then closes", async (client, server) => {
  const id = await client.start(path("Wait"));
  await eventually(() => server.waiting === 1, "the handler");
  const stopped = server.server.stop(5000);
  await client.until(() => client.frames.some(({ type }) => type === FrameType.GOAWAY), "GOAWAY");
  await assertRejects(() => RawClient.connect(server.socket), Deno.errors.NotFound);
  const ping = client.frames.find(({ type }) => type === FrameType.PING)!;
  // A call that crosses the first GOAWAY on its way is still served.
  const crossing = await client.call(path("Echo"), utf8("crossing"));
  assertEquals(crossing.body, message("crossing"));
  await client.send(FrameType.PING, Flag.ACK, 0, ping.payload);
  await client.until(() => client.frames.filter(({ type }) => type === FrameType.GOAWAY).length === 2, "second GOAWAY");
  assertEquals((await client.call(path("Echo"), utf8("late"))).resetCode, ErrorCode.REFUSED_STREAM);
  server.release[0]();
  assertEquals((await client.answer(id)).body, message("released"));
  await client.end();
  await stopped;
});

serverTest("Server.stop() aborts what runs when the grace is over", async (client, server) => {
  await client.start(path("Wait"));
  await eventually(() => server.waiting === 1, "the handler");
  const started = performance.now();
  await server.server.stop(100);
  const took = performance.now() - started;
  assert(took >= 99 && took < 2000, `${took} ms`);
  assertEquals((server.aborted[0] as RpcError).message, "the server stops");
});

serverTest("Server.stop() closes idle connections without waiting for the grace", async (client, server) => {
  await client.call(path("Echo"));
  const stopped = server.server.stop(60_000);
  await client.until(() => client.frames.some(({ type }) => type === FrameType.PING), "PING");
  await client.send(FrameType.PING, Flag.ACK, 0, client.frames.find(({ type }) => type === FrameType.PING)!.payload);
  await client.end();
  await stopped;
});

Deno.test("Server.listen() after stop() listens again, and twice is an error", async () => {
  await using server = await BytesServer.start();
  await assertRejects(() => server.server.listen(server.socket), Error, "listens already");
  await server.server.stop();
  await server.server.listen(server.socket);
  using client = await RawClient.connect(server.socket);
  assertEquals((await client.call(path("Echo"), utf8("x"))).body, message("x"));
});

Deno.test("Server goes on when its observer throws", async () => {
  const throws = () => {
    throw new Error("observer");
  };
  await using server = await BytesServer.start({ onCall: throws });
  using client = await RawClient.connect(server.socket);
  assertEquals((await client.call(path("Echo"), utf8("x"))).body, message("x"));
  assertEquals(server.warnings, ["an observer of calls failed: Error: observer"]);
});
