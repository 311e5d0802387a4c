interface Sample {
  timestamp: bigint;
  usage: bigint;
  rate?: bigint;
}

/** Two samples closer than this tell nothing: cgroup counters move in ticks. */
const MIN_INTERVAL_NANOSECONDS = 100_000_000n;

/** Turns CPU time that only grows into a rate, by the last sample of each container or pod. */
export class RateKeeper {
  #samples = new Map<string, Sample>();

  /**
   * Takes a sample (both in nanoseconds) and returns the usage since the one before in nanocores (1e9: one core).
   * Undefined at the first sample, and where the counter went back. Callers that come too soon get the last rate.
   */
  nanoCores(id: string, timestamp: bigint, cpuUsageNanoseconds: bigint): bigint | undefined {
    const last = this.#samples.get(id);
    const interval = last === undefined ? 0n : timestamp - last.timestamp;
    if (last === undefined || interval < 0n || cpuUsageNanoseconds < last.usage) {
      this.#samples.set(id, { timestamp, usage: cpuUsageNanoseconds });
      return undefined;
    }
    if (interval < MIN_INTERVAL_NANOSECONDS) return last.rate;
    const rate = (cpuUsageNanoseconds - last.usage) * 1_000_000_000n / interval;
    this.#samples.set(id, { timestamp, usage: cpuUsageNanoseconds, rate });
    return rate;
  }

  /** To be called when the container or pod is removed. */
  forget(id: string): void {
    this.#samples.delete(id);
  }
}
