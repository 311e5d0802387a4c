import type { Counter, Histogram, Registry } from "prom-client";
import { Code } from "../rpc/status.ts";

/** What the daemon counts as it goes. */
export interface Metrics {
  /** A call that ended, with its gRPC code. */
  operation(method: string, code: Code, seconds: number): void;
  /** Bytes that came from a registry. */
  imagePullBytes(bytes: number): void;
}

/** What is only read when somebody scrapes. */
export interface MetricsReaders {
  /** Number of containers by state, e.g. `{ running: 3, exited: 1 }`. */
  containers(): Record<string, number>;
  jobsRunning(): number;
  /** Open descriptors of the daemon; undefined where that cannot be told. */
  openFiles?(): number | undefined;
}

/** For a daemon without a metrics address: costs nothing. */
export const noMetrics: Metrics = { operation() {}, imagePullBytes() {} };

const LATENCY_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

type PromClient = typeof import("prom-client");

/** Prometheus metrics. The client library is loaded here and not before: it costs memory and time at start. */
export async function createMetrics(readers: MetricsReaders): Promise<PrometheusMetrics> {
  const loaded = await import("prom-client");
  return new PrometheusMetrics(loaded.default ?? loaded, readers);
}

export class PrometheusMetrics implements Metrics {
  #registry: Registry;
  #operations: Counter;
  #seconds: Histogram;
  #pullBytes: Counter;

  constructor(client: PromClient, readers: MetricsReaders) {
    this.#registry = new client.Registry();
    const registers = [this.#registry];
    this.#operations = new client.Counter({
      name: "skiff_operations_total",
      help: "CRI calls by method and gRPC code",
      labelNames: ["method", "code"],
      registers,
    });
    this.#seconds = new client.Histogram({
      name: "skiff_operation_seconds",
      help: "Duration of CRI calls",
      labelNames: ["method"],
      buckets: LATENCY_BUCKETS,
      registers,
    });
    this.#pullBytes = new client.Counter({
      name: "skiff_image_pull_bytes_total",
      help: "Bytes received from registries",
      registers,
    });
    addGauges(client, this.#registry, readers);
  }

  operation(method: string, code: Code, seconds: number): void {
    this.#operations.inc({ method, code: Code[code] ?? String(code) });
    this.#seconds.observe({ method }, seconds);
  }

  imagePullBytes(bytes: number): void {
    this.#pullBytes.inc(bytes);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** All metrics in the Prometheus text format. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }
}

function addGauges(client: PromClient, registry: Registry, readers: MetricsReaders): void {
  const registers = [registry];
  new client.Gauge({
    name: "skiff_containers",
    help: "Containers by state",
    labelNames: ["state"],
    registers,
    collect() {
      this.reset();
      for (const [state, count] of Object.entries(readers.containers())) this.set({ state }, count);
    },
  });
  const gauge = (name: string, help: string, read: () => number | undefined) =>
    new client.Gauge({
      name,
      help,
      registers,
      collect() {
        const value = read();
        if (value === undefined) this.remove();
        else this.set(value);
      },
    });
  const start = Date.now() / 1000;
  gauge("skiff_jobs_running", "Jobs that run now", readers.jobsRunning);
  gauge("process_resident_memory_bytes", "Resident memory of the daemon", () => Deno.memoryUsage().rss);
  gauge("process_open_fds", "Open descriptors of the daemon", () => readers.openFiles?.());
  gauge("process_start_time_seconds", "When the daemon started, in seconds since the epoch", () => start);
}
