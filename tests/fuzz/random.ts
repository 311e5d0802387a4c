import { seeded } from "../support/random.ts";

/** Numbers that depend on the seed and on the number of the input alone, so that each input can be made again by itself. */
export class Random {
  #next: () => number;

  constructor(seed: number, input: number) {
    this.#next = seeded(Math.imul(seed, 0x9e3779b1) ^ Math.imul(input + 1, 0x85ebca77));
  }

  /** An integer from 0 to `limit` - 1. */
  below(limit: number): number {
    return Math.floor(this.#next() * limit);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }
}
