import { RegistryFailure } from "./failure.ts";
import { isTooLongToWait } from "./http.ts";

const ATTEMPTS = 5;
const FIRST_DELAY = 200;
const MAX_DELAY = 5_000;
/** Milliseconds of failure after which another attempt is left to whoever wants the image. */
const PATIENCE = 30_000;

/** Decides whether what failed is to be tried again, and waits a growing time before it is. */
export class Retries {
  #attempts: number;
  #failures = 0;
  #failingSince = performance.now();

  constructor(attempts = ATTEMPTS) {
    this.#attempts = attempts;
  }

  /** Something came: the count starts anew. */
  progressed(): void {
    this.#failures = 0;
    this.#failingSince = performance.now();
  }

  /** @throws the error itself when there is no point in another attempt. */
  async pauseAfter(error: unknown): Promise<void> {
    this.#failures++;
    const isHopeless = this.#failures >= this.#attempts || performance.now() - this.#failingSince > PATIENCE;
    if (!(error instanceof RegistryFailure) || !error.retriable || isHopeless) throw error;
    const backOff = Math.min(MAX_DELAY, FIRST_DELAY * 2 ** (this.#failures - 1)) * (0.75 + Math.random() / 2);
    const delay = Math.max(backOff, error.retryAfter ?? 0);
    if (isTooLongToWait(delay)) throw error;
    await new Promise((resolve) => setTimeout(resolve, delay));
  }

  async run<T>(attempt: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        await this.pauseAfter(error);
      }
    }
  }
}
