import { setImmediate } from "node:timers";

/**
 * Lets one piece of work begin per turn of the event loop, in the order of arrival. Ten pods that start at once are many
 * short pieces of synchronous work (mounts, cgroups, files): one after the other without a turn in between, they would
 * keep every other call waiting.
 */
export class Turnstile {
  readonly #waiting: (() => void)[] = [];
  #open = false;

  pass(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (this.#open) return;
      this.#open = true;
      setImmediate(() => this.#next());
    });
  }

  #next(): void {
    this.#waiting.shift()!();
    if (this.#waiting.length > 0) setImmediate(() => this.#next());
    else this.#open = false;
  }
}
