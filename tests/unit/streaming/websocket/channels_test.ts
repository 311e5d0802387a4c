import { assert, assertEquals } from "@std/assert";
import { type ChannelCodec, WebSocketChannels } from "../../../../src/streaming/websocket/channels.ts";
import { BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT } from "../../../../src/streaming/websocket/frames.ts";
import { bytes, concat, MemoryTransport, settle, text } from "../memory_transport.ts";
import { clientFrame, serverFrames } from "./client_frames.ts";

const V4: ChannelCodec = { base64: false, closable: false };
const V5: ChannelCodec = { base64: false, closable: true };
const BASE64: ChannelCodec = { base64: true, closable: false };

function open(codec: ChannelCodec) {
  const transport = new MemoryTransport();
  const channels = new WebSocketChannels(transport, codec);
  return { transport, channels, stdin: channels.source(0) };
}

const message = (channel: number, content: string) =>
  clientFrame(BINARY, concat(Uint8Array.of(channel), bytes(content)));

Deno.test("WebSocketChannels hands on a channel's data and drops what nobody reads", async () => {
  const { transport, channels, stdin } = open(V4);
  transport.give(
    concat(message(7, "x"), message(0, "a"), clientFrame(BINARY, bytes("")), message(0, ""), message(0, "b")),
  );
  transport.give(null);
  assertEquals([text(await stdin.read()), text(await stdin.read()), await stdin.read()], ["a", "b", null]);
  await channels.ended;
});

Deno.test("WebSocketChannels takes the channel from the first byte of a fragmented message only", async () => {
  const { transport, channels, stdin } = open(V4);
  transport.give(concat(
    clientFrame(BINARY, bytes(""), { fin: false }),
    clientFrame(CONTINUATION, bytes("\0one"), { fin: false }),
    clientFrame(CONTINUATION, bytes("\u0002wo")),
  ));
  assertEquals([text(await stdin.read()), text(await stdin.read())], ["one", "\u0002wo"]);
  transport.give(null);
  await channels.ended;
});

Deno.test("WebSocketChannels with v5 ends a channel when the client says so", async () => {
  const { transport, channels, stdin } = open(V5);
  transport.give(concat(message(0, "last"), clientFrame(BINARY, Uint8Array.of(255, 0)), message(0, "late")));
  assertEquals([text(await stdin.read()), await stdin.read()], ["last", null]);
  await channels.sink(1).write(bytes("out"));
  assertEquals(serverFrames(transport.output), [{ opcode: BINARY, payload: bytes("\u0001out") }]);
  transport.give(null);
  await channels.ended;
});

Deno.test("WebSocketChannels with v4 has no signal that ends a channel", async () => {
  const { transport, channels, stdin } = open(V4);
  transport.give(concat(clientFrame(BINARY, Uint8Array.of(255, 0)), message(0, "more")));
  assertEquals(text(await stdin.read()), "more");
  transport.give(null);
  await channels.ended;
});

Deno.test("WebSocketChannels ends the connection for a close signal that names no channel, or two", async () => {
  for (const signal of [[255], [255, 0, 1]]) {
    const { transport, channels } = open(V5);
    transport.give(clientFrame(BINARY, Uint8Array.from(signal)));
    await channels.ended;
    const [{ opcode, payload }] = serverFrames(transport.output);
    assertEquals([opcode, new DataView(payload.buffer).getUint16(0)], [CLOSE, 1007]);
    assert(transport.closed);
  }
});

Deno.test("WebSocketChannels speaks base64 both ways, in whatever pieces it comes", async () => {
  const { transport, channels, stdin } = open(BASE64);
  const encoded = `0${bytes("hello, world").toBase64()}`;
  for (const letter of clientFrame(TEXT, bytes(encoded))) transport.give(Uint8Array.of(letter));
  let received = "";
  while (received.length < 12) received += text(await stdin.read());
  assertEquals(received, "hello, world");
  const large = new Uint8Array(100_000).fill(7);
  await channels.sink(1).write(large);
  const parts = serverFrames(transport.output);
  assert(parts.every(({ opcode, payload }) => opcode === TEXT && payload[0] === 49));
  assertEquals(concat(...parts.map(({ payload }) => Uint8Array.fromBase64(text(payload.subarray(1))!))), large);
  transport.give(null);
  await channels.ended;
});

Deno.test("WebSocketChannels ends the connection for what is not base64", async () => {
  for (const wrong of ["0!!!!", "0YWI", "0YQ==YQ=="]) {
    const { transport, channels } = open(BASE64);
    transport.give(clientFrame(TEXT, bytes(wrong)));
    await channels.ended;
    assertEquals(new DataView(serverFrames(transport.output)[0].payload.buffer).getUint16(0), 1007);
  }
});

Deno.test("WebSocketChannels answers pings and the close of the client", async () => {
  const { transport, channels } = open(V4);
  transport.give(
    concat(clientFrame(PING, bytes("abc")), clientFrame(CLOSE, Uint8Array.of(3, 232)), message(0, "late")),
  );
  await channels.ended;
  assertEquals(serverFrames(transport.output), [
    { opcode: PONG, payload: bytes("abc") },
    { opcode: CLOSE, payload: Uint8Array.of(3, 232) },
  ]);
  assert(transport.closed);
});

Deno.test("WebSocketChannels.finish() closes with 1000 and waits for the client's own close", async () => {
  const { transport, channels } = open(V4);
  await settle();
  const finished = channels.finish();
  await settle();
  assert(!transport.closed);
  transport.give(clientFrame(CLOSE, Uint8Array.of(3, 232)));
  await finished;
  assertEquals(serverFrames(transport.output), [{ opcode: CLOSE, payload: Uint8Array.of(3, 232) }]);
});

Deno.test("WebSocketChannels stops reading when a channel is not taken", async () => {
  const { transport, channels, stdin } = open(V4);
  const block = clientFrame(BINARY, new Uint8Array(100_000));
  for (let i = 0; i < 50; i++) transport.give(block);
  await settle();
  assert(transport.reads < 20, `${transport.reads} reads`);
  let taken = 0;
  while (taken < 50 * 99_999) taken += (await stdin.read())!.length;
  transport.give(null);
  await channels.ended;
});
