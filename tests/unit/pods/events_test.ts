import { assertEquals, assertRejects } from "@std/assert";
import { type EventKind, Events } from "../../../src/pods/events.ts";
import { Code, RpcError } from "../../../src/rpc/status.ts";

const event = (id: string, kind: EventKind, at = 0n) => ({ id, kind, sandboxId: "pod", at });

Deno.test("Events.subscribe() gives the snapshot first, by time, then what happens, in order and whole", async () => {
  const events = new Events();
  const abort = new AbortController();
  const stream = events.subscribe([event("late", "started", 9n), event("early", "stopped", 3n)], abort.signal);
  assertEquals((await stream.next()).value?.id, "early");
  assertEquals((await stream.next()).value?.id, "late");
  const happened = [event("b", "created"), event("b", "started"), event("c", "created"), event("b", "stopped")];
  for (const one of [...happened, event("b", "deleted")]) events.emit(one);
  for (const one of [...happened, event("b", "deleted")]) assertEquals((await stream.next()).value, one);
  const waiting = stream.next();
  abort.abort();
  assertEquals((await waiting).done, true);
});

Deno.test("Events: a subscriber that does not read holds nobody up, and loses no last event", async () => {
  const events = new Events();
  const abort = new AbortController();
  const slow = events.subscribe([], abort.signal);
  const fast = events.subscribe([], abort.signal);
  // Begins to listen.
  const [first, second] = [slow.next(), fast.next()];
  events.emit(event("c0", "created"));
  await Promise.all([first, second]);
  for (let round = 0; round < 1000; round++) {
    for (let index = 0; index < 10; index++) {
      events.emit(event(`c${index}`, "started", BigInt(round)));
      assertEquals((await fast.next()).value?.at, BigInt(round));
    }
  }
  const last = new Map<string, bigint>();
  for (events.emit(event("end", "created")); last.has("end") === false;) {
    const { value } = await slow.next();
    last.set(value!.id, value!.at);
  }
  for (let index = 0; index < 10; index++) assertEquals(last.get(`c${index}`), 999n);
  abort.abort();
  assertEquals((await slow.next()).done, true);
});

Deno.test("Events.subscribe() leaves nothing behind when the subscriber goes, waiting or not", async () => {
  const events = new Events();
  const before = new AbortController();
  const waiting = events.subscribe([], before.signal);
  const next = waiting.next();
  const other = new AbortController();
  const reading = events.subscribe([event("a", "created"), event("b", "created")], other.signal);
  await reading.next();
  assertEquals(events.subscribers, 2);
  before.abort();
  await next;
  await reading.return(undefined);
  assertEquals(events.subscribers, 0);
});

Deno.test("Events.close() ends every subscription with UNAVAILABLE, later ones too", async () => {
  const events = new Events();
  const { signal } = new AbortController();
  const waiting = events.subscribe([], signal).next();
  events.close();
  for (const next of [waiting, events.subscribe([event("a", "created")], signal).next()]) {
    const error = await assertRejects(() => next, RpcError);
    assertEquals(error.code, Code.UNAVAILABLE);
  }
  assertEquals(events.subscribers, 0);
});
