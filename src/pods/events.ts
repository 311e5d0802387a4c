import { Code, RpcError } from "../rpc/status.ts";
import type { Sandbox } from "./catalog.ts";
import { EventQueue } from "./event_queue.ts";

/** What became of a container, or of a pod (then `id` is the pod's). */
export type EventKind = "created" | "started" | "stopped" | "deleted";

export interface PodEvent {
  kind: EventKind;
  id: string;
  sandboxId: string;
  /** Nanoseconds since the epoch. */
  at: bigint;
  /** Its pod, which may be deleted by the time the event is told: the kubelet ignores what comes without a pod. */
  sandbox?: Sandbox;
}

interface Subscriber {
  queue: EventQueue;
  wake: () => void;
}

/** Tells every subscriber of changes, in order. Nobody is waited for; event_queue.ts says what a slow subscriber is told. */
export class Events {
  readonly #subscribers = new Set<Subscriber>();
  #closed = false;

  /** How many there are now. */
  get subscribers(): number {
    return this.#subscribers.size;
  }

  emit(event: PodEvent): void {
    for (const subscriber of this.#subscribers) {
      subscriber.queue.push(event);
      subscriber.wake();
    }
  }

  /** Ends all subscriptions: they would hold up the end of the daemon. The error has the kubelet look at all pods again. */
  close(): void {
    this.#closed = true;
    for (const subscriber of this.#subscribers) subscriber.wake();
  }

  /**
   * First `snapshot`, then what happens from now on, until the signal aborts. RpcError UNAVAILABLE once the daemon stops. The snapshot is told by time: the kubelet takes
   * nothing about a pod that is older than what it had before.
   */
  async *subscribe(snapshot: Iterable<PodEvent>, signal: AbortSignal): AsyncGenerator<PodEvent> {
    const queue = new EventQueue();
    const subscriber: Subscriber = { queue, wake: () => {} };
    const wake = () => subscriber.wake();
    const byTime = [...snapshot].sort((a, b) => a.at < b.at ? -1 : a.at > b.at ? 1 : 0);
    for (const event of byTime) queue.push(event);
    this.#subscribers.add(subscriber);
    signal.addEventListener("abort", wake);
    try {
      while (!signal.aborted) {
        if (this.#closed) throw new RpcError(Code.UNAVAILABLE, "the daemon stops; ask again once it is back");
        const event = queue.shift();
        if (event) yield event;
        else await new Promise<void>((resolve) => subscriber.wake = resolve);
      }
    } finally {
      signal.removeEventListener("abort", wake);
      this.#subscribers.delete(subscriber);
    }
  }
}
