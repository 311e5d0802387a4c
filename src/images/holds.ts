/** What must not be removed now, counted: pulls need it, and nothing names it yet. */
export class Holds {
  #counts = new Map<string, number>();

  hold(names: string[]): Disposable {
    for (const name of names) this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
    return {
      [Symbol.dispose]: () => {
        for (const name of names) {
          const count = this.#counts.get(name)! - 1;
          if (count === 0) this.#counts.delete(name);
          else this.#counts.set(name, count);
        }
      },
    };
  }

  has(name: string): boolean {
    return this.#counts.has(name);
  }
}
