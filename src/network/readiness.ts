import { messageOf } from "../rpc/status.ts";
import { type Conflist, versionAtLeast } from "./conflist.ts";

const INTERVAL_MILLISECONDS = 5000;

/** Asks the plugins of the present list every few seconds whether they can set up pods (STATUS, specification 1.1.0). */
export class Readiness implements AsyncDisposable {
  #ask: (list: Conflist, signal: AbortSignal) => Promise<void>;
  #onChange: () => void;
  #list: Conflist | undefined;
  #problem: string | undefined;
  #askedAt = -Infinity;
  #running: Promise<void> | undefined;
  #stop = new AbortController();

  /** `ask` throws where a plugin is not ready; `onChange` is called when {@link problem} may say something else. */
  constructor(ask: (list: Conflist, signal: AbortSignal) => Promise<void>, onChange: () => void) {
    this.#ask = ask;
    this.#onChange = onChange;
  }

  /** Why this list cannot serve now; undefined where it can, or where its version has no STATUS. Asks again when it is time. */
  problem(list: Conflist): string | undefined {
    if (!versionAtLeast(list.cniVersion, "1.1.0")) return undefined;
    if (this.#list?.text !== list.text) {
      this.#list = list;
      this.#problem = `network "${list.name}" has not yet answered to STATUS`;
      this.#askedAt = -Infinity;
    }
    if (this.#running === undefined && performance.now() - this.#askedAt >= INTERVAL_MILLISECONDS) {
      this.#running = this.#run(list);
    }
    return this.#problem;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(list: Conflist): Promise<void> {
    this.#askedAt = performance.now();
    const problem = await this.#ask(list, this.#stop.signal).then(() => undefined, messageOf);
    this.#running = undefined;
    if (this.#stop.signal.aborted || this.#list?.text !== list.text) return;
    this.#problem = problem;
    this.#onChange();
  }
}
