import { assert, assertEquals } from "@std/assert";
import { EventQueue } from "../../../src/pods/event_queue.ts";
import type { EventKind, PodEvent } from "../../../src/pods/events.ts";

const life: EventKind[] = ["created", "started", "stopped", "deleted"];
const event = (id: string, kind: EventKind): PodEvent => ({ id, kind, sandboxId: "pod", at: 0n });

function drain(queue: EventQueue): string[] {
  const told: string[] = [];
  for (let next = queue.shift(); next; next = queue.shift()) told.push(`${next.id} ${next.kind}`);
  return told;
}

Deno.test("EventQueue leaves nothing out of a thousand waiting events", () => {
  const queue = new EventQueue();
  const pushed: string[] = [];
  for (let index = 0; index < 250; index++) {
    for (const kind of life) {
      queue.push(event(`c${index}`, kind));
      pushed.push(`c${index} ${kind}`);
    }
  }
  assertEquals(drain(queue), pushed);
});

Deno.test("EventQueue above its limit: what came and went meanwhile is not told, what is there is told once", () => {
  const queue = new EventQueue(10);
  for (const kind of life) queue.push(event("gone", kind));
  for (let index = 0; index < 10; index++) {
    queue.push(event(`c${index}`, "created"));
    queue.push(event(`c${index}`, "started"));
  }
  const told = drain(queue);
  assertEquals(told.filter((line) => line.startsWith("gone")), []);
  for (let index = 0; index < 10; index++) {
    assertEquals(told.filter((line) => line.startsWith(`c${index} `)).at(-1), `c${index} started`);
  }
});

Deno.test("EventQueue above its limit tells the stop and the end of what the subscriber knew", () => {
  const queue = new EventQueue(4);
  queue.push(event("known", "created"));
  assertEquals(queue.shift()?.id, "known");
  for (const kind of life.slice(1)) queue.push(event("known", kind));
  queue.push(event("new", "created"));
  queue.push(event("new", "started"));
  assertEquals(drain(queue), ["known stopped", "known deleted", "new started"]);
});

Deno.test("EventQueue of a subscriber that never reads does not grow with what happens", () => {
  const queue = new EventQueue();
  for (let index = 0; index < 500; index++) queue.push(event(`there-${index}`, "started"));
  for (let index = 0; index < 200; index++) queue.shift();
  let most = 0;
  for (let index = 0; index < 50_000; index++) {
    for (const kind of life) queue.push(event(`c${index}`, kind));
    most = Math.max(most, queue.length);
  }
  assert(most <= 2_000, `${most} events waited`);
  for (let index = 0; index < 500; index++) queue.push(event(`there-${index}`, "deleted"));
  const told = drain(queue);
  // Whoever was told of it is told of its end.
  for (let index = 0; index < 200; index++) assertEquals(told.includes(`there-${index} deleted`), true);
});

Deno.test("EventQueue forgets what it told the end of", () => {
  const queue = new EventQueue(4);
  for (let round = 0; round < 3; round++) {
    for (const kind of life) queue.push(event("same", kind));
    assertEquals(drain(queue), life.map((kind) => `same ${kind}`));
  }
  for (const kind of [...life, ...life]) queue.push(event("same", kind));
  assertEquals(drain(queue).filter((line) => line === "same created").length <= 1, true);
});
