/** How far back one looks: long enough to be steady, short enough to show a stall. */
const WINDOW = 5_000;

/** Bytes per second over the last seconds. */
export class Rate {
  #samples: { at: number; bytes: number }[] = [];

  /** @param bytes altogether so far; @param at milliseconds on any steady clock. */
  after(bytes: number, at: number): number {
    this.#samples.push({ at, bytes });
    while (this.#samples.length > 2 && this.#samples[1].at <= at - WINDOW) this.#samples.shift();
    const first = this.#samples[0];
    const milliseconds = at - first.at;
    return milliseconds <= 0 ? 0 : Math.max(0, Math.round((bytes - first.bytes) * 1000 / milliseconds));
  }
}
