import { assert, assertEquals } from "@std/assert";
import { Code } from "../../../src/rpc/mod.ts";
import { encodeHeaders } from "../../../src/rpc/hpack_encoder.ts";
import { messagePrefix } from "../../../src/rpc/message_reader.ts";
import { bytesOf, concat } from "./bytes.ts";
import { BytesServer, eventually, path, utf8 } from "./bytes_service.ts";
import { ErrorCode, Flag, frame, FrameType, RawClient, requestBlock, Setting, uint32 } from "./raw_client.ts";

const MEBIBYTE = 1024 * 1024;

/** An attack must end with GOAWAY ENHANCE_YOUR_CALM, and leave the server in good health for others. */
function attack(
  name: string,
  body: (client: RawClient, server: BytesServer) => Promise<void>,
  options?: Parameters<typeof BytesServer.start>[0],
): void {
  Deno.test(name, async () => {
    await using server = await BytesServer.start(options);
    using client = await RawClient.connect(server.socket);
    await body(client, server);
    assertEquals(await client.goaway(), ErrorCode.ENHANCE_YOUR_CALM);
    await client.end();
    using other = await RawClient.connect(server.socket);
    assertEquals((await other.call(path("Echo"), utf8("x"))).fields["grpc-status"], "0");
  });
}

/** Unlike the resident size, it leaves out the tests that run beside this one. */
function memoryOfThisIsolate(): number {
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}

function repeat(bytes: Uint8Array, count: number): Uint8Array {
  return concat(...Array.from({ length: count }, () => bytes));
}

attack(
  "a rapid reset flood ends the connection, and starts no more handlers than the limit",
  async (client, server) => {
    const frames: Uint8Array[] = [];
    for (let id = 1; id < 20_000; id += 2) {
      frames.push(
        frame(FrameType.HEADERS, Flag.END_HEADERS, id, requestBlock(path("Ignore"))),
        frame(FrameType.DATA, Flag.END_STREAM, id, messagePrefix(0)),
        frame(FrameType.RST_STREAM, 0, id, uint32(ErrorCode.CANCEL)),
      );
    }
    await client.write(concat(...frames));
    await client.goaway();
    assert(server.waiting <= 1000, `${server.waiting} handlers run`);
  },
);

Deno.test("handlers of reset streams count as streams until they end", async () => {
  await using server = await BytesServer.start({ limits: { maxConcurrentStreams: 10 } });
  using client = await RawClient.connect(server.socket);
  for (let count = 0; count < 10; count++) {
    const id = await client.start(path("Ignore"));
    await eventually(() => server.waiting === count + 1, "the handler");
    await client.send(FrameType.RST_STREAM, 0, id, uint32(ErrorCode.CANCEL));
  }
  assertEquals((await client.call(path("Echo"))).resetCode, ErrorCode.REFUSED_STREAM);
  server.release.shift()!();
  await eventually(() => server.waiting === 9, "the end of a handler");
  assertEquals((await client.call(path("Echo"))).fields["grpc-status"], "0");
});

attack("a flood of PING frames ends the connection", (client) => {
  return client.write(repeat(frame(FrameType.PING, 0, 0, new Uint8Array(8)), 20_000));
});

attack("a flood of SETTINGS frames ends the connection", (client) => {
  return client.write(repeat(frame(FrameType.SETTINGS, 0, 0), 20_000));
});

attack("a SETTINGS frame with thousands of settings ends the connection", (client) => {
  return client.send(FrameType.SETTINGS, 0, 0, repeat(bytesOf("0004 0000ffff"), 2000));
});

attack("a flood of SETTINGS acknowledgements ends the connection", (client) => {
  return client.write(repeat(frame(FrameType.SETTINGS, Flag.ACK, 0), 20_000));
});

attack("a flood of empty DATA frames ends the connection", async (client) => {
  const id = await client.begin(path("Echo"));
  await client.write(repeat(frame(FrameType.DATA, 0, id), 20_000));
});

attack("a flood of PRIORITY frames ends the connection", (client) => {
  return client.write(repeat(frame(FrameType.PRIORITY, 0, 1, new Uint8Array(5)), 20_000));
});

attack("a flood of unknown frames ends the connection", (client) => {
  return client.write(repeat(frame(0xee, 0, 0), 20_000));
});

attack("a flood of WINDOW_UPDATE frames ends the connection", (client) => {
  return client.write(repeat(frame(FrameType.WINDOW_UPDATE, 0, 0, uint32(1)), 30_000));
});

attack("a flood of RST_STREAM for a closed stream ends the connection", async (client) => {
  const id = await client.start(path("Echo"));
  await client.answer(id);
  const frames: Uint8Array[] = [];
  for (let count = 0; count < 20_000; count++) frames.push(frame(FrameType.RST_STREAM, 0, id, uint32(0)));
  await client.write(concat(...frames));
});

attack("a CONTINUATION flood ends the connection", async (client) => {
  await client.send(FrameType.HEADERS, 0, 1, requestBlock(path("Echo")));
  await client.write(repeat(frame(FrameType.CONTINUATION, 0, 1), 10_000));
});

attack("a header block without end ends the connection", async (client) => {
  await client.send(FrameType.HEADERS, 0, 1, requestBlock(path("Echo")));
  const filler = encodeHeaders([["x", "y".repeat(16_000)]]);
  await client.write(repeat(frame(FrameType.CONTINUATION, 0, 1, filler), 5));
});

Deno.test("a header list over 64 KiB is refused by name, and the connection goes on", async () => {
  await using server = await BytesServer.start();
  using client = await RawClient.connect(server.socket);
  assert(client !== undefined);
  const id = client.newId();
  // A table entry of 3 KB, then thirty references to it: small on the wire, 90 KB as a list.
  const block = concat(requestBlock(path("Echo")), bytesOf("40 01 61 7f b916"), new Uint8Array(3000).fill(98));
  await client.send(FrameType.HEADERS, Flag.END_HEADERS, id, concat(block, new Uint8Array(30).fill(0xbe)));
  const answer = await client.answer(id);
  assertEquals(answer.fields["grpc-status"], String(Code.RESOURCE_EXHAUSTED));
  assert(answer.fields["grpc-message"].includes("65536 bytes"));
  assertEquals((await client.call(path("Echo"))).fields["grpc-status"], "0");
});

Deno.test("an HPACK bomb costs no memory", async () => {
  await using server = await BytesServer.start();
  using client = await RawClient.connect(server.socket);
  await client.send(
    FrameType.HEADERS,
    Flag.END_HEADERS,
    client.newId(),
    concat(requestBlock(path("Missing")), bytesOf("40 01 61 7f a11e"), new Uint8Array(4000).fill(98)),
  );
  const before = memoryOfThisIsolate();
  for (let count = 0; count < 20; count++) {
    const id = client.newId();
    await client.send(FrameType.HEADERS, Flag.END_HEADERS, id, new Uint8Array(16_384).fill(0xbe));
    assertEquals((await client.answer(id)).fields["grpc-status"], String(Code.RESOURCE_EXHAUSTED));
  }
  assert(memoryOfThisIsolate() - before < 64 * MEBIBYTE);
});

Deno.test("1000 streams are advertised, taken, and not one more", async () => {
  await using server = await BytesServer.start();
  using client = await RawClient.connect(server.socket);
  await client.until(() => client.frames.length > 0, "SETTINGS");
  assert(client.frames[0].payload.join().includes([0, Setting.MAX_CONCURRENT_STREAMS, 0, 0, 3, 232].join()));
  for (let count = 0; count < 1000; count++) await client.start(path("Wait"));
  await eventually(() => server.waiting === 1000, "1000 handlers");
  assertEquals((await client.call(path("Echo"))).resetCode, ErrorCode.REFUSED_STREAM);
  server.release[0]();
  await client.until(() => client.sofar(1) !== undefined, "an answer");
  assertEquals((await client.call(path("Echo"))).fields["grpc-status"], "0");
});

Deno.test("connections over the limit are closed, and there is room again when one ends", async () => {
  await using server = await BytesServer.start({ limits: { maxConnections: 2 } });
  using first = await RawClient.connect(server.socket);
  using second = await RawClient.connect(server.socket);
  await first.call(path("Echo"));
  await second.call(path("Echo"));
  using third = await RawClient.connect(server.socket);
  await third.end();
  assertEquals(server.warnings, ["a connection is closed: there are too many"]);
  first[Symbol.dispose]();
  await first.end();
  await new Promise((resolve) => setTimeout(resolve, 20));
  using fourth = await RawClient.connect(server.socket);
  assertEquals((await fourth.call(path("Echo"))).fields["grpc-status"], "0");
});

Deno.test("a client that asks and does not read is cut off before its acknowledgements fill memory", async () => {
  await using server = await BytesServer.start({ limits: { controlBurst: 1e9 } });
  using client = await RawClient.connect(server.socket, { reads: false });
  const pings = repeat(frame(FrameType.PING, 0, 0, new Uint8Array(8)), 2000);
  // One socket buffer and the limit: about 25,000 answers of 17 bytes.
  for (let rounds = 0; rounds < 100 && server.warnings.length === 0; rounds++) {
    await client.write(pings);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  assertEquals(server.warnings.length, 1);
  assert(server.warnings[0].includes("does not read"));
});

Deno.test("a slow reader of large responses costs bounded memory, and gets them all in the end", async () => {
  const size = 8 * MEBIBYTE;
  await using server = await BytesServer.start({ maxMessageBytes: size });
  // Its window is the default 64 KiB: it asks for 400 MiB and takes nothing.
  using client = await RawClient.connect(server.socket, { credits: false });
  const before = memoryOfThisIsolate();
  const ids: number[] = [];
  for (let count = 0; count < 50; count++) ids.push(await client.start(path("Make"), utf8(String(size))));
  await new Promise((resolve) => setTimeout(resolve, 500));
  const held = memoryOfThisIsolate() - before;
  assert(held < 100 * MEBIBYTE, `${held} bytes are held`);
  assert(server.calls.length <= 5, `${server.calls.length} responses are made`);
  // A deadline works while the call waits for its turn.
  const late = await client.call(path("Echo"), utf8("x"), [["grpc-timeout", "50m"]]);
  assertEquals(late.fields["grpc-status"], String(Code.DEADLINE_EXCEEDED));
  for (const id of ids) await client.send(FrameType.RST_STREAM, 0, id, uint32(ErrorCode.CANCEL));
  await client.send(FrameType.WINDOW_UPDATE, 0, 0, uint32(MEBIBYTE));
  assertEquals((await client.call(path("Echo"), utf8("x"))).fields["grpc-status"], "0");
});

Deno.test("responses that wait for their turn are sent in the order of the calls", async () => {
  await using server = await BytesServer.start({ limits: { maxQueuedOutBytes: 100_000 } });
  using client = await RawClient.connect(server.socket, { credits: false });
  const ids: number[] = [];
  for (let count = 0; count < 20; count++) ids.push(await client.start(path("Make"), utf8("90000")));
  await new Promise((resolve) => setTimeout(resolve, 50));
  assertEquals(server.calls.length, 2);
  await client.send(FrameType.WINDOW_UPDATE, 0, 0, uint32(100 * MEBIBYTE));
  for (const id of ids) assertEquals((await client.answer(id)).body.length, 90_005);
});

Deno.test("a stream whose reader stalls makes no more messages than its queue holds", async () => {
  await using server = await BytesServer.start();
  using client = await RawClient.connect(server.socket, { credits: false });
  const id = await client.start(path("Stream"), utf8("1000000 1000"));
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert(server.produced < 200, `${server.produced} messages were made`);
  await client.send(FrameType.RST_STREAM, 0, id, uint32(ErrorCode.CANCEL));
  await eventually(() => server.streams === 0, "the end of the generator");
});

Deno.test("unfinished requests are kept up to a limit per connection", async () => {
  await using server = await BytesServer.start({ limits: { maxBufferedInBytes: 2 * MEBIBYTE + 1000 } });
  using client = await RawClient.connect(server.socket);
  const half = concat(messagePrefix(MEBIBYTE), new Uint8Array(MEBIBYTE / 2));
  const ids: number[] = [];
  for (let count = 0; count < 5; count++) {
    ids.push(await client.begin(path("Echo")));
    await client.sendBody(ids[count], half, false);
  }
  const answer = await client.answer(ids[4]);
  assertEquals(answer.fields["grpc-status"], String(Code.RESOURCE_EXHAUSTED));
  assert(answer.fields["grpc-message"].includes("memory limit"));
  // A call that ends makes room for another.
  await client.send(FrameType.RST_STREAM, 0, ids[1], uint32(ErrorCode.CANCEL));
  await client.sendBody(ids[0], new Uint8Array(MEBIBYTE / 2));
  assertEquals((await client.answer(ids[0])).body.length, MEBIBYTE + 5);
});

Deno.test("a small call is answered while large responses are sent", async () => {
  const size = 64 * MEBIBYTE;
  await using server = await BytesServer.start({ maxMessageBytes: size });
  using client = await RawClient.connect(server.socket);
  const large = [
    await client.start(path("Make"), utf8(String(size))),
    await client.start(path("Make"), utf8("60000000")),
  ];
  await client.until(() => client.sofar(large[0]) !== undefined, "the first bytes");
  const small = await client.call(path("Echo"), utf8("quick"));
  assertEquals(small.fields["grpc-status"], "0");
  const received = large.map((id) => client.sofar(id)?.body.length ?? 0);
  assert(received.every((bytes) => bytes < size / 4), `${received} bytes came before the small answer`);
});

Deno.test("messages of 1 to 70 MiB pass both ways", async () => {
  await using server = await BytesServer.start({ maxMessageBytes: 70 * MEBIBYTE });
  for (const size of [1, 17, 70]) {
    using client = await RawClient.connect(server.socket);
    const id = await client.begin(path("Echo"));
    const message = new Uint8Array(size * MEBIBYTE).fill(size);
    // The connection's window is 4 MiB and grows as the server reads, so the body goes out as credit comes in.
    await client.sendWithCredit(id, concat(messagePrefix(message.length), message));
    const { body, fields } = await client.answer(id);
    assertEquals([fields["grpc-status"], body.length], ["0", size * MEBIBYTE + 5]);
    assertEquals([body[5], body.at(-1)], [size, size]);
  }
});
