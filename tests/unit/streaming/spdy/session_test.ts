import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  controlFrame,
  dataHead,
  FLAG_FIN,
  FrameReader,
  GOAWAY,
  PING,
  RST_STREAM,
  SYN_REPLY,
  SYN_STREAM,
} from "../../../../src/streaming/spdy/frames.ts";
import { HeaderBlockWriter } from "../../../../src/streaming/spdy/header_block.ts";
import { SpdySession } from "../../../../src/streaming/spdy/session.ts";
import type { SpdyStream } from "../../../../src/streaming/spdy/stream.ts";
import { bytes, concat, MemoryTransport, settle, text } from "../memory_transport.ts";

class Rig {
  readonly transport = new MemoryTransport();
  readonly streams: SpdyStream[] = [];
  readonly session: SpdySession;
  readonly #headers = new HeaderBlockWriter();

  constructor(options: { maxStreams?: number; accept?: boolean } = {}) {
    this.session = new SpdySession(this.transport, {
      maxStreams: options.maxStreams ?? 10,
      onStream: (stream) => {
        this.streams.push(stream);
        return options.accept ?? true;
      },
    });
  }

  open(id: number, headers: [string, string][] = [], flags = 0): Uint8Array {
    const frame = controlFrame(SYN_STREAM, [id, 0], concat(new Uint8Array(2), this.#headers.write(headers)));
    frame[4] = flags;
    return frame;
  }

  /** Types of the control frames that were sent, with their first two words, and data as text. */
  sent(): unknown[] {
    const found: unknown[] = [];
    for (const frame of new FrameReader().push(this.transport.output)) {
      if (frame.kind === "data") found.push([frame.stream, text(frame.bytes), frame.fin]);
      else {
        const view = new DataView(frame.body.buffer, frame.body.byteOffset);
        found.push({
          type: frame.type,
          id: view.getUint32(0),
          ...(frame.type !== SYN_REPLY && frame.body.length > 4 && { status: view.getUint32(4) }),
        });
      }
    }
    return found;
  }
}

Deno.test("SpdySession opens streams, carries data both ways and echoes pings", async () => {
  const rig = new Rig();
  rig.transport.give(concat(
    rig.open(1, [["streamType", "stdin"]]),
    dataHead(1, 2, false),
    bytes("in"),
    controlFrame(PING, [1]),
    controlFrame(PING, [2]),
    dataHead(1, 0, true),
  ));
  await settle();
  const [stream] = rig.streams;
  assertEquals(stream.headers.get("streamtype"), "stdin");
  assertEquals([text(await stream.read()), await stream.read()], ["in", null]);
  await stream.write(bytes("out"));
  await stream.end();
  assertEquals(rig.sent(), [{ type: SYN_REPLY, id: 1 }, { type: PING, id: 1 }, [1, "out", false], [1, "", true]]);
  rig.transport.give(null);
  await rig.session.ended;
  assert(rig.transport.closed);
});

Deno.test("SpdySession takes a stream that is opened half-closed", async () => {
  const rig = new Rig();
  rig.transport.give(rig.open(1, [], FLAG_FIN));
  await settle();
  assertEquals(await rig.streams[0].read(), null);
  rig.transport.give(null);
  await rig.session.ended;
});

Deno.test("SpdySession refuses streams over its limit, and takes new ones once others are over", async () => {
  const rig = new Rig({ maxStreams: 2 });
  rig.transport.give(concat(rig.open(1), rig.open(3), rig.open(5)));
  await settle();
  assertEquals(rig.streams.length, 2);
  assertEquals(rig.sent().at(-1), { type: RST_STREAM, id: 5, status: 3 });
  rig.transport.give(concat(controlFrame(RST_STREAM, [1, 5]), rig.open(7)));
  await settle();
  assertEquals(rig.streams.map(({ id }) => id), [1, 3, 7]);
  await assertRejects(() => rig.streams[0].write(bytes("x")), Error, "ended");
  rig.transport.give(null);
  await rig.session.ended;
});

Deno.test("SpdySession resets a stream that is not wanted", async () => {
  const rig = new Rig({ accept: false });
  rig.transport.give(rig.open(1));
  await settle();
  assertEquals(rig.sent(), [{ type: SYN_REPLY, id: 1 }, { type: RST_STREAM, id: 1, status: 1 }]);
  rig.transport.give(null);
  await rig.session.ended;
});

for (
  const [what, frames] of [
    ["an even number", (rig: Rig) => [rig.open(2)]],
    ["a number that does not grow", (rig: Rig) => [rig.open(5), rig.open(5)]],
    ["a header block that is no zlib", () => [controlFrame(SYN_STREAM, [1, 0], new Uint8Array(20))]],
    ["a control frame that is too short", () => [controlFrame(PING, [])]],
    ["another version", () => [Uint8Array.of(0x80, 2, 0, 6, 0, 0, 0, 4, 0, 0, 0, 1)]],
  ] as [string, (rig: Rig) => Uint8Array[]][]
) {
  Deno.test(`SpdySession ends the connection for ${what}`, async () => {
    const rig = new Rig();
    rig.transport.give(...frames(rig));
    await rig.session.ended;
    assert(rig.session.error !== undefined);
    assert(rig.transport.closed);
    const last = rig.sent().at(-1) as { type: number; status: number };
    assertEquals([last.type, last.status], [GOAWAY, 1]);
  });
}

Deno.test("SpdySession stops reading when a stream is not taken, and goes on when it is", async () => {
  const rig = new Rig();
  rig.transport.give(rig.open(1));
  const block = concat(dataHead(1, 100_000, false), new Uint8Array(100_000));
  for (let i = 0; i < 50; i++) rig.transport.give(block);
  await settle();
  const before = rig.transport.reads;
  assert(before < 20, `${before} reads`);
  let taken = 0;
  while (taken < 5_000_000) taken += (await rig.streams[0].read())!.length;
  assertEquals(taken, 5_000_000);
  rig.transport.give(null);
  await rig.session.ended;
});

Deno.test("SpdySession reads on at once when what fills it is discarded, or its connection closed", async () => {
  for (const free of [(rig: Rig) => rig.streams[0].discard(), (rig: Rig) => rig.transport.close()]) {
    const rig = new Rig();
    rig.transport.give(concat(rig.open(1), dataHead(1, 2_000_000, false), new Uint8Array(2_000_000)));
    await settle();
    free(rig);
    rig.transport.give(null);
    await rig.session.ended;
  }
});

Deno.test("SpdySession answers a flood of pings no faster than the client reads", async () => {
  const rig = new Rig();
  const gate = Promise.withResolvers<void>();
  rig.transport.hold = gate.promise;
  for (let i = 0; i < 1000; i++) rig.transport.give(controlFrame(PING, [1]));
  await settle();
  assert(rig.transport.reads < 3, `${rig.transport.reads} reads`);
  gate.resolve();
  rig.transport.give(null);
  await rig.session.ended;
  assertEquals(rig.sent().length, 1000);
});

Deno.test("SpdySession.finish() ends the streams, says goodbye and waits for the client", async () => {
  const rig = new Rig();
  rig.transport.give(concat(rig.open(1), rig.open(3)));
  await settle();
  const finished = rig.session.finish();
  await settle();
  assert(rig.transport.writeClosed && !rig.transport.closed);
  assertEquals(rig.sent().slice(-3), [[1, "", true], [3, "", true], { type: GOAWAY, id: 3, status: 0 }]);
  rig.transport.give(bytes("rest").subarray(0, 0), null);
  await finished;
  assert(rig.transport.closed);
});

Deno.test("SpdyStream.onAbort() is called for a reset, for the end of the connection, and late", async () => {
  const rig = new Rig();
  rig.transport.give(concat(rig.open(1), rig.open(3)));
  await settle();
  const aborted: number[] = [];
  for (const stream of rig.streams) stream.onAbort(() => aborted.push(stream.id));
  rig.transport.give(controlFrame(RST_STREAM, [3, 5]));
  await settle();
  assertEquals(aborted, [3]);
  rig.transport.give(null);
  await rig.session.ended;
  assertEquals(aborted, [3, 1]);
  rig.streams[0].onAbort(() => aborted.push(0));
  assertEquals(aborted, [3, 1, 0]);
});
