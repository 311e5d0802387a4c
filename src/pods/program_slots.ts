/** Milliseconds: by then a program has been loaded and does its work, or it waits for something itself. */
const HOLD_MAX = 100;

/**
 * Lets few programs begin at the same time, in the order of arrival. Ten pods that start at once are some hundred short
 * processes: all of them together take as long as one after the other, but nobody is done before the end, and whoever has
 * to answer a call waits behind all of them. A slot is given up after {@link HOLD_MAX}: a program that waits (a network
 * plugin for its server) keeps nobody.
 */
export class ProgramSlots {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  /** @param processors of the node. */
  constructor(processors: number) {
    this.#free = 2 * processors;
  }

  async run<T>(body: () => Promise<T> | T): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    let held = true;
    const giveUp = () => {
      if (!held) return;
      held = false;
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    };
    const timer = setTimeout(giveUp, HOLD_MAX);
    try {
      return await body();
    } finally {
      clearTimeout(timer);
      giveUp();
    }
  }
}
