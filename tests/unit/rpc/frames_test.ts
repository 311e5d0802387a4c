import { assertEquals, assertThrows } from "@std/assert";
import {
  ConnectionError,
  ErrorCode,
  Flag,
  FrameReader,
  FrameType,
  parseSettings,
  PREFACE,
  Setting,
  settingsPayload,
  withoutPadding,
} from "../../../src/rpc/frames.ts";
import { bytesOf, concat } from "./bytes.ts";

/** A source that gives at most `step` bytes per read. */
function source(bytes: Uint8Array, step: number): { read(into: Uint8Array): Promise<number | null> } {
  let at = 0;
  return {
    read(into) {
      const count = Math.min(step, into.length, bytes.length - at);
      into.set(bytes.subarray(at, at + count));
      at += count;
      return Promise.resolve(count === 0 ? null : count);
    },
  };
}

async function readAll(bytes: Uint8Array, step: number): Promise<[number, number, number, number][]> {
  const reader = new FrameReader();
  const from = source(bytes, step);
  const frames: [number, number, number, number][] = [];
  while (await reader.fill(from)) {
    while (reader.next()) frames.push([reader.type, reader.flags, reader.streamId, reader.payload.length]);
  }
  return frames;
}

const PING = bytesOf("000008 06 00 00000000 0102030405060708");
const DATA = concat(bytesOf("004000 00 01 80000003"), new Uint8Array(16384));

for (const step of [1, 7, 9, 4096, 65536]) {
  Deno.test(`FrameReader reads frames that come ${step} bytes at a time`, async () => {
    assertEquals(await readAll(concat(PING, DATA, PING, DATA, DATA), step), [
      [FrameType.PING, 0, 0, 8],
      [FrameType.DATA, Flag.END_STREAM, 3, 16384],
      [FrameType.PING, 0, 0, 8],
      [FrameType.DATA, Flag.END_STREAM, 3, 16384],
      [FrameType.DATA, Flag.END_STREAM, 3, 16384],
    ]);
  });
}

Deno.test("FrameReader.next() refuses a frame over the limit by its head alone", async () => {
  const reader = new FrameReader();
  await reader.fill(source(bytesOf("004001 00 00 00000001"), 100));
  const error = assertThrows(() => reader.next(), ConnectionError);
  assertEquals(error.code, ErrorCode.FRAME_SIZE_ERROR);
});

Deno.test("FrameReader.preface() waits for the whole preface and refuses another protocol at once", async () => {
  const reader = new FrameReader();
  const from = source(concat(PREFACE, PING), 10);
  const answers = [];
  for (let fills = 0; fills < 3; fills++) {
    await reader.fill(from);
    answers.push(reader.preface());
  }
  assertEquals(answers, [undefined, undefined, true]);

  const other = new FrameReader();
  await other.fill(source(new TextEncoder().encode("GET / HTTP/1.1\r\n"), 100));
  assertEquals(other.preface(), false);
});

Deno.test("parseSettings() reads what settingsPayload() writes", () => {
  const settings: [number, number][] = [[Setting.INITIAL_WINDOW_SIZE, 0xffffffff], [Setting.MAX_FRAME_SIZE, 16384]];
  assertEquals(parseSettings(settingsPayload(settings)), settings);
  assertThrows(() => parseSettings(new Uint8Array(7)), ConnectionError);
});

Deno.test("withoutPadding() takes the length and the padding away", () => {
  assertEquals(withoutPadding(0, bytesOf("02 aabb 0000")), bytesOf("02 aabb 0000"));
  assertEquals(withoutPadding(Flag.PADDED, bytesOf("02 aabb 0000")), bytesOf("aabb"));
  assertEquals(withoutPadding(Flag.PADDED, bytesOf("00")), bytesOf(""));
  for (const hex of ["", "01", "05 aabb 0000"]) {
    assertThrows(() => withoutPadding(Flag.PADDED, bytesOf(hex)), ConnectionError);
  }
});
