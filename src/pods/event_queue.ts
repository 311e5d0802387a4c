import type { PodEvent } from "./events.ts";

/** So many events may wait before a subscriber is told less. */
const LIMIT = 1_000;

/**
 * What one subscriber of events has not taken yet. The rule:
 *
 * 1. Up to {@link LIMIT} waiting events nothing is left out: each change is told, in the order in which they came.
 * 2. A subscriber that lets more wait learns where things stand rather than how they came there. Of an object that it was
 *    never told of and that is deleted by now it hears nothing; of any other, its last event. "stopped" is told even where
 *    "deleted" follows: on "stopped" the kubelet looks at the whole pod again, "deleted" is something that it did itself.
 *
 * So what waits is bounded by what the subscriber was told of when it ceased to read, twice, and by what there is now:
 * not by how much happens. "deleted" is never left out for anything that the subscriber knows.
 */
export class EventQueue {
  #waiting: PodEvent[] = [];
  /** Objects that the subscriber was told of and knows no end of. */
  readonly #known = new Set<string>();
  #compactAbove: number;

  constructor(readonly limit = LIMIT) {
    this.#compactAbove = limit;
  }

  get length(): number {
    return this.#waiting.length;
  }

  push(event: PodEvent): void {
    this.#waiting.push(event);
    if (this.#waiting.length <= this.#compactAbove) return;
    this.#compact();
    // Where little could be left out, the next attempt is worth its time only once there is as much again.
    this.#compactAbove = Math.max(this.limit, this.#waiting.length * 2);
  }

  shift(): PodEvent | undefined {
    const event = this.#waiting.shift();
    if (event?.kind === "deleted") this.#known.delete(event.id);
    else if (event) this.#known.add(event.id);
    return event;
  }

  #compact(): void {
    const last = new Map(this.#waiting.map((event) => [event.id, event]));
    this.#waiting = this.#waiting.filter((event) => {
      const end = last.get(event.id)!;
      if (end.kind === "deleted" && !this.#known.has(event.id)) return false;
      return event === end || event.kind === "stopped";
    });
  }
}
