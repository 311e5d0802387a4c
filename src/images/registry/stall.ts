/** Aborts when nothing has come for too long; time in which nobody waited for the network does not count. */
export class StallGuard implements Disposable {
  #controller = new AbortController();
  #waitingSince = 0;
  #timer: number;

  /** @param setting of the configuration that the time comes from. */
  constructor(milliseconds: number, setting = "images.stallTimeoutSeconds") {
    const interval = Math.max(50, Math.min(1000, milliseconds / 4));
    this.#timer = setInterval(() => {
      if (this.#waitingSince !== 0 && Date.now() - this.#waitingSince > milliseconds) {
        this.#controller.abort(new Error(`nothing came for ${milliseconds / 1000} s (${setting})`));
      }
    }, interval);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Waits for something from the network. */
  async wait<T>(promise: Promise<T>): Promise<T> {
    this.#waitingSince = Date.now();
    try {
      return await promise;
    } finally {
      this.#waitingSince = 0;
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
