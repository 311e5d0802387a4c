/** Milliseconds of each unit of `grpc-timeout`. */
const UNITS: Record<string, number> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };
const MAX_TIMER = 2 ** 31 - 1;

/** Milliseconds of a `grpc-timeout` value, or undefined when it is malformed (1 to 8 digits and a unit). */
export function parseTimeout(value: string): number | undefined {
  if (!/^\d{1,8}[HMSmun]$/.test(value)) return undefined;
  return Number(value.slice(0, -1)) * UNITS[value.slice(-1)];
}

/** What has a point in time, by `performance.now()`, after which it is told. */
export interface Expiring {
  readonly expiresAt: number;
  expire(): void;
}

/**
 * The deadlines of all calls on one timer. Nearly every call ends long before its deadline: adding and removing one is a
 * set operation, and the timer is moved only when an earlier deadline comes.
 */
export class Deadlines {
  #calls = new Set<Expiring>();
  #timer: number | undefined;
  #timerAt = Infinity;

  add(call: Expiring): void {
    this.#calls.add(call);
    if (call.expiresAt < this.#timerAt) this.#arm(call.expiresAt);
  }

  remove(call: Expiring): void {
    this.#calls.delete(call);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#calls.clear();
    this.#timerAt = Infinity;
  }

  #arm(at: number): void {
    clearTimeout(this.#timer);
    this.#timerAt = at;
    this.#timer = setTimeout(() => this.#fire(), Math.min(MAX_TIMER, Math.max(0, Math.ceil(at - performance.now()))));
  }

  #fire(): void {
    this.#timerAt = Infinity;
    const now = performance.now();
    let earliest = Infinity;
    for (const call of [...this.#calls]) {
      if (call.expiresAt > now) {
        earliest = Math.min(earliest, call.expiresAt);
        continue;
      }
      this.#calls.delete(call);
      call.expire();
    }
    if (earliest < this.#timerAt) this.#arm(earliest);
  }
}
