import { assertEquals } from "@std/assert";
import { type EventKind, Events } from "../../../src/pods/events.ts";

const event = (id: string, kind: EventKind, at = 0n) => ({ id, kind, sandboxId: "pod", at });

Deno.test("Events.subscribe() gives the snapshot first, then what happens, in order", async () => {
  const events = new Events();
  const abort = new AbortController();
  const stream = events.subscribe([event("a", "started")], abort.signal);
  assertEquals((await stream.next()).value, event("a", "started"));
  events.emit(event("b", "created"));
  events.emit(event("b", "started"));
  events.emit(event("c", "created"));
  assertEquals((await stream.next()).value, event("b", "started"));
  assertEquals((await stream.next()).value, event("c", "created"));
  const waiting = stream.next();
  abort.abort();
  assertEquals((await waiting).done, true);
});

Deno.test("Events keep one entry per container for a subscriber that does not read, and lose no last event", async () => {
  const events = new Events();
  const abort = new AbortController();
  const slow = events.subscribe([], abort.signal);
  const first = slow.next();
  events.emit(event("c0", "created"));
  await first;
  for (let round = 0; round < 1000; round++) {
    for (let index = 0; index < 10; index++) events.emit(event(`c${index}`, "started", BigInt(round)));
  }
  const got: string[] = [];
  for (let index = 0; index < 10; index++) {
    const { value } = await slow.next();
    got.push(value!.id);
    assertEquals(value!.at, 999n);
  }
  assertEquals(got.sort(), Array.from({ length: 10 }, (_, index) => `c${index}`));
  abort.abort();
  assertEquals((await slow.next()).done, true);
});
