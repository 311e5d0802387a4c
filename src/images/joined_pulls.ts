import { Rate } from "./rate.ts";
import type { PullProgress } from "./types.ts";

export interface PullOptions {
  signal?: AbortSignal;
  /** Of the pod that the image is for. */
  namespace?: string;
  onProgress?: (progress: PullProgress) => void;
  onStep?: (step: string) => void;
}

export interface PullWork {
  signal: AbortSignal;
  onProgress: (progress: PullProgress) => void;
  onStep: (step: string) => void;
}

interface Running<T> {
  result: Promise<T>;
  abort: AbortController;
  waiters: Set<PullOptions>;
  startedAt: number;
  progress: PullProgress | undefined;
  step: string | undefined;
}

const NOTHING_YET: PullProgress = { phase: "resolving", bytesDone: 0, bytesTotal: 0, layersDone: 0, layersTotal: 0 };

/** The same work asked for several times at once is done once; it is given up when nobody waits for it any more. */
export class JoinedPulls<T> {
  #running = new Map<string, Running<T>>();

  async run(key: string, options: PullOptions, work: (work: PullWork) => Promise<T>): Promise<T> {
    options.signal?.throwIfAborted();
    const running = this.#running.get(key) ?? this.#start(key, work);
    running.waiters.add(options);
    if (running.step !== undefined) options.onStep?.(running.step);
    if (running.progress) options.onProgress?.(running.progress);
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const onAbort = () => reject(options.signal!.reason);
    options.signal?.addEventListener("abort", onAbort);
    try {
      return await Promise.race([running.result, aborted]);
    } finally {
      options.signal?.removeEventListener("abort", onAbort);
      running.waiters.delete(options);
      if (running.waiters.size === 0) this.#abandon(key, running, options.signal?.reason);
    }
  }

  /** How far the work is whose key starts so, if any runs. */
  progress(prefix: string): PullProgress | undefined {
    for (const [key, { progress }] of this.#running) if (key.startsWith(prefix)) return progress;
    return undefined;
  }

  /** All work that runs. */
  list(): { key: string; progress: PullProgress }[] {
    return [...this.#running].map(([key, { progress, startedAt }]) => ({
      key,
      progress: progress ?? { ...NOTHING_YET, startedAt },
    }));
  }

  async stop(reason: unknown): Promise<void> {
    const all = [...this.#running];
    for (const [key, running] of all) this.#abandon(key, running, reason);
    await Promise.allSettled(all.map(([, { result }]) => result));
  }

  #start(key: string, work: (work: PullWork) => Promise<T>): Running<T> {
    const abort = new AbortController();
    const waiters = new Set<PullOptions>();
    const startedAt = Date.now();
    const rate = new Rate();
    const running: Running<T> = {
      result: Promise.resolve() as Promise<never>,
      abort,
      waiters,
      startedAt,
      progress: undefined,
      step: undefined,
    };
    running.result = work({
      signal: abort.signal,
      onProgress: (progress) => {
        const bytesPerSecond = rate.after(progress.bytesDone, performance.now());
        running.progress = { ...progress, startedAt, bytesPerSecond };
        for (const waiter of waiters) waiter.onProgress?.(running.progress);
      },
      onStep: (step) => {
        running.step = step;
        for (const waiter of waiters) waiter.onStep?.(step);
      },
    });
    this.#running.set(key, running);
    running.result.catch(() => {}).finally(() => this.#forget(key, running));
    return running;
  }

  #abandon(key: string, running: Running<T>, reason: unknown): void {
    this.#forget(key, running);
    running.abort.abort(reason);
  }

  #forget(key: string, running: Running<T>): void {
    if (this.#running.get(key) === running) this.#running.delete(key);
  }
}
