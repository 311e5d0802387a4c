/** What became of a container, or of a pod (then `id` is the pod's). */
export type EventKind = "created" | "started" | "stopped" | "deleted";

export interface PodEvent {
  kind: EventKind;
  id: string;
  sandboxId: string;
  /** Nanoseconds since the epoch. */
  at: bigint;
}

/**
 * Tells every subscriber of changes, in order. Nothing is dropped and nobody is waited for: what a slow subscriber has not
 * taken yet is kept once per container, as its last event.
 */
export class Events {
  readonly #subscribers = new Set<{ pending: Map<string, PodEvent>; wake: () => void }>();

  emit(event: PodEvent): void {
    for (const subscriber of this.#subscribers) {
      subscriber.pending.delete(event.id);
      subscriber.pending.set(event.id, event);
      subscriber.wake();
    }
  }

  /** First `snapshot`, then what happens from now on, until the signal aborts. */
  async *subscribe(snapshot: Iterable<PodEvent>, signal: AbortSignal): AsyncGenerator<PodEvent> {
    const subscriber = { pending: new Map<string, PodEvent>(), wake: () => {} };
    for (const event of snapshot) subscriber.pending.set(event.id, event);
    this.#subscribers.add(subscriber);
    const onAbort = () => subscriber.wake();
    signal.addEventListener("abort", onAbort);
    try {
      while (!signal.aborted) {
        const [first] = subscriber.pending.values();
        if (first) {
          subscriber.pending.delete(first.id);
          yield first;
        } else {
          await new Promise<void>((resolve) => subscriber.wake = resolve);
        }
      }
    } finally {
      signal.removeEventListener("abort", onAbort);
      this.#subscribers.delete(subscriber);
    }
  }
}
