/** Slow work that serves everybody who asked before it began: those who ask meanwhile share the next run. */
export class SharedWork {
  #work: () => Promise<void>;
  #running?: Promise<void>;
  #next?: Promise<void>;

  constructor(work: () => Promise<void>) {
    this.#work = work;
  }

  run(): Promise<void> {
    if (!this.#running) return this.#begin();
    return this.#next ??= this.#running.catch(() => {}).then(() => {
      this.#next = undefined;
      return this.#begin();
    });
  }

  /** Settles when all that was asked for so far is over. */
  async idle(): Promise<void> {
    await this.#next;
    await this.#running;
  }

  #begin(): Promise<void> {
    return this.#running = this.#work().finally(() => this.#running = undefined);
  }
}
