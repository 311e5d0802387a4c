import { type Metric, MetricType, PodSandboxMetrics } from "../../../proto/gen/runtime/v1/api.ts";
import { type Container, nowNanoseconds, type Pods, type Sandbox } from "../../pods/mod.ts";
import type { Sample } from "../../stats/mod.ts";
import { inSlices } from "../in_slices.ts";
import { entry } from "../list_entry.ts";
import { readySandboxes } from "./list_pod_sandbox_stats.ts";

/** Between two measurements, in milliseconds, as long as somebody asks: cadvisor's interval, too. */
const INTERVAL = 10_000;
/** What is older is measured again before it is told. */
const MAX_AGE = 15_000;
/** Whoever scrapes at all does so more often than this. */
const ASKED_WITHIN = 150_000;

interface Measured {
  at: number;
  /** Of these containers: what a pod has started or lost since is told at once. */
  containers: Container[];
  entry: Uint8Array;
}

/**
 * The metrics of each pod, as they stand on the wire. They are measured in the background while somebody asks for them, a
 * few milliseconds at a time: some hundred pods have ten thousand files, too many to read while a scrape waits.
 */
export class PodMetricsCache {
  readonly #pods: Pods;
  readonly #measured = new Map<string, Measured>();
  #askedAt = -Infinity;
  #timer?: ReturnType<typeof setTimeout>;

  constructor(pods: Pods) {
    this.#pods = pods;
  }

  /** One for each ready pod. */
  async entries(): Promise<Uint8Array[]> {
    this.#askedAt = performance.now();
    this.#keepFresh();
    const found = await inSlices(readySandboxes(this.#pods), (sandbox) => this.#notOlderThan(MAX_AGE, sandbox));
    return found.map((measured) => measured.entry);
  }

  #keepFresh(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.#turn(), INTERVAL);
    Deno.unrefTimer(this.#timer);
  }

  async #turn(): Promise<void> {
    try {
      // A little off, so that what was measured a moment after the last turn began has its turn, too.
      await inSlices(readySandboxes(this.#pods), (sandbox) => this.#notOlderThan(INTERVAL / 2, sandbox));
    } catch {
      // The next call meets the same failure, and tells it.
    }
    for (const id of this.#measured.keys()) {
      if (this.#pods.catalog.sandboxes.get(id)?.record.state !== "ready") this.#measured.delete(id);
    }
    this.#timer = undefined;
    if (performance.now() - this.#askedAt < ASKED_WITHIN) this.#keepFresh();
    else this.#measured.clear();
  }

  #notOlderThan(age: number, sandbox: Sandbox): Measured {
    const known = this.#measured.get(sandbox.id);
    const now = performance.now();
    const containers = this.#pods.catalog.containersOf(sandbox.id).filter(({ record }) => record.state === "running");
    if (known && now - known.at < age && sameItems(known.containers, containers)) return known;
    const metrics = measure(this.#pods, sandbox, containers);
    const measured = { at: now, containers, entry: entry(PodSandboxMetrics, metrics) };
    this.#measured.set(sandbox.id, measured);
    return measured;
  }
}

const sameItems = <T>(a: T[], b: T[]) => a.length === b.length && a.every((item, index) => item === b[index]);

function measure({ statistics }: Pods, sandbox: Sandbox, containers: Container[]): PodSandboxMetrics {
  const timestamp = nowNanoseconds();
  const shape = ({ descriptor, labelValues, value }: Sample): Metric => ({
    name: descriptor.name,
    // The kubelet takes the time of the scrape where there is none, and these are older.
    timestamp,
    metricType: descriptor.type === "counter" ? MetricType.COUNTER : MetricType.GAUGE,
    labelValues,
    value: { value },
  });
  return {
    podSandboxId: sandbox.id,
    metrics: statistics.sandboxMetrics(sandbox).map(shape),
    containerMetrics: containers.map((container) => ({
      containerId: container.id,
      metrics: statistics.containerMetrics(container, sandbox).map(shape),
    })),
  };
}
