import { Code, messageOf, RpcError } from "../rpc/status.ts";
import type { Logger } from "../observe/types.ts";
import { within } from "../sys/mod.ts";
import type { Store } from "./store.ts";
import { ProgramSlots } from "./program_slots.ts";
import { Turnstile } from "./turnstile.ts";

/** Takes down one kind of thing. Must be repeatable, and must not mind that the thing was never made. */
export type Undoer = (args: any) => Promise<void> | void;

export interface JobStep {
  name: string;
  /** Milliseconds since the epoch. */
  startedAt: number;
  /** Milliseconds; undefined while it runs. */
  duration?: number;
  waitingFor: string;
}

export interface JobReport {
  id: string;
  kind: string;
  subject: string;
  state: "running" | "done" | "failed";
  /** Milliseconds since the epoch. */
  startedAt: number;
  endedAt?: number;
  error: string;
  objectId: string;
  steps: JobStep[];
}

export interface JobRequest {
  /** run-pod-sandbox, create-container, … */
  kind: string;
  /** Two jobs with one key never run at the same time. */
  key: string;
  /** Of the request: the same key with another hash is another wish. */
  hash: string;
  /** What it works on, for people: `namespace/name`. */
  subject: string;
  /** Milliseconds; the job's own, however long the client waits. */
  deadline: number;
}

/** Of all jobs together. */
const turnstile = new Turnstile();
const slots = new ProgramSlots(navigator.hardwareConcurrency);

/** A running operation: steps with their times, an undo for each thing that it makes, a signal of its own. */
export class Job {
  readonly id = crypto.randomUUID();
  readonly report: JobReport;
  readonly #abort = new AbortController();
  readonly #store: Store;
  readonly #undoers: Record<string, Undoer>;
  readonly #made: { seq: number; kind: string; args: unknown }[] = [];

  constructor(request: JobRequest, store: Store, undoers: Record<string, Undoer>) {
    this.report = {
      id: this.id,
      kind: request.kind,
      subject: request.subject,
      state: "running",
      startedAt: Date.now(),
      error: "",
      objectId: "",
      steps: [],
    };
    this.#store = store;
    this.#undoers = undoers;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Runs and times one step. A failure keeps its gRPC code and gains the step's name. */
  async step<T>(name: string, body: () => Promise<T> | T): Promise<T> {
    this.#checkAborted();
    await turnstile.pass();
    this.#checkAborted();
    const step: JobStep = { name, startedAt: Date.now(), waitingFor: "" };
    const begin = performance.now();
    this.report.steps.push(step);
    try {
      return await body();
    } finally {
      step.duration = performance.now() - begin;
    }
  }

  /** As {@link step}, for one whose work other programs do. */
  programStep<T>(name: string, body: () => Promise<T> | T): Promise<T> {
    return slots.run(() => this.step(name, body));
  }

  /** For work that only says where it is: ends the step before and begins this one. */
  enter(name: string): void {
    this.#endStep();
    this.report.steps.push({ name, startedAt: Date.now(), waitingFor: "" });
  }
  #endStep(): void {
    const last = this.report.steps.at(-1);
    if (last && last.duration === undefined) last.duration = Date.now() - last.startedAt;
  }

  /** Says what the running step waits for: it is in `skiff jobs` and in the error when the deadline passes. */
  waitingFor(what: string): void {
    const step = this.report.steps.at(-1);
    if (step) step.waitingFor = what;
  }

  /** Must be called before the thing is made: the journal then knows how to take it down, even if this process dies in between. */
  undo(kind: string, args: unknown): void {
    this.#checkAborted();
    if (!this.#undoers[kind]) throw new Error(`no undo of kind ${kind}`);
    this.#made.push({ seq: this.#store.addJournal(this.id, kind, args), kind, args });
  }

  end(state: "done" | "failed", error = ""): void {
    this.#endStep();
    Object.assign(this.report, { state, error, endedAt: Date.now() });
  }

  abort(reason: RpcError): void {
    this.#abort.abort(reason);
  }

  /** In the transaction that stores the finished object: from then on the object's own row says what there is to take down. */
  commit(body: () => void): void {
    this.#checkAborted();
    this.#store.transaction(() => {
      body();
      this.#store.clearJournal(this.id);
    });
    this.#made.length = 0;
  }

  /** Newest first. What cannot be taken down now stays in the journal for the next start. */
  async rollback(logger: Logger): Promise<string[]> {
    const failures: string[] = [];
    for (const { seq, kind, args } of this.#made.splice(0).reverse()) {
      try {
        await this.#undoers[kind](args);
        this.#store.deleteJournal(seq);
      } catch (error) {
        failures.push(`${kind}: ${messageOf(error)}`);
        logger.error("undo failed; it is tried again at the next start", {
          job: this.report.kind,
          subject: this.report.subject,
          undo: kind,
          error,
        });
      }
    }
    return failures;
  }

  #checkAborted(): void {
    if (this.signal.aborted) throw this.signal.reason;
  }
}

/** The word of the CRI's contract by which the kubelet knows an error is kept in front: https://pkg.go.dev/k8s.io/cri-api/pkg/errors */
function splitWord(message: string): [message: string, word?: string] {
  const word = /(ImageVolumeMountFailed|RROUnsupported|SignatureValidationFailed): /.exec(message)?.[0];
  return word === undefined ? [message] : [message.replace(word, ""), word];
}

/** Runs jobs: joins equal ones, replaces a running one by a newer wish, keeps the last ones for people to look at. */
export class Jobs {
  readonly #running = new Map<string, { job: Job; hash: string; result: Promise<unknown> }>();
  /** Since the start; only the last ones are kept. */
  endedCount = 0;
  readonly #tracked = new Set<Job>();
  readonly #ended: JobReport[] = [];
  readonly #store: Store;
  readonly #undoers: Record<string, Undoer>;
  readonly #logger: Logger;
  readonly #keep: number;

  constructor(options: { store: Store; undoers: Record<string, Undoer>; logger: Logger; keep: number }) {
    this.#store = options.store;
    this.#undoers = options.undoers;
    this.#logger = options.logger;
    this.#keep = options.keep;
  }

  /**
   * Runs `body` as a job. A job with the same key and hash that runs already is joined. One with another hash is
   * cancelled and undone first. The job goes on when the client leaves: its retry finds it here or finds the result.
   */
  async run<T>(request: JobRequest, body: (job: Job) => Promise<T>): Promise<T> {
    for (let running; (running = this.#running.get(request.key));) {
      if (running.hash === request.hash) return running.result as Promise<T>;
      running.job.abort(
        new RpcError(
          Code.ABORTED,
          `${running.job.report.kind} ${running.job.report.subject}: given up for a newer request with other content`,
        ),
      );
      await running.result.catch(() => {});
    }
    const job = new Job(request, this.#store, this.#undoers);
    const result = this.#execute(job, request, body);
    this.#running.set(request.key, { job, hash: request.hash, result });
    result.catch(() => {});
    return result;
  }

  async #execute<T>(job: Job, request: JobRequest, body: (job: Job) => Promise<T>): Promise<T> {
    const { report } = job;
    const timer = setTimeout(
      () => job.abort(new RpcError(Code.DEADLINE_EXCEEDED, `not done after ${request.deadline / 1000} s`)),
      request.deadline,
    );
    try {
      const result = await body(job);
      report.state = "done";
      return result;
    } catch (error) {
      report.state = "failed";
      const undone = await job.rollback(this.#logger);
      throw this.#explain(job, error, undone);
    } finally {
      clearTimeout(timer);
      report.endedAt = Date.now();
      this.#running.delete(request.key);
      this.#keepReport(report);
    }
  }

  #explain(job: Job, error: unknown, undone: string[]): RpcError {
    const { report } = job;
    const step = report.steps.at(-1);
    const after = step
      ? ` at step ${step.name} after ${((step.duration ?? Date.now() - step.startedAt) / 1000).toFixed(1)} s`
      : "";
    const waiting = step?.waitingFor && job.signal.aborted ? `, waiting for ${step.waitingFor}` : "";
    const leftover = undone.length > 0 ? `; not yet cleaned up: ${undone.join("; ")}` : "";
    const cause = job.signal.aborted ? job.signal.reason : error;
    const code = cause instanceof RpcError ? cause.code : Code.UNKNOWN;
    const [message, word = ""] = splitWord(messageOf(cause));
    report.error = `${word}${report.kind} ${report.subject}: failed${after}${waiting}: ${message}${leftover}`;
    this.#logger.warn("job failed", {
      job: report.kind,
      subject: report.subject,
      step: step?.name,
      error: report.error,
    });
    return new RpcError(code, report.error);
  }

  /**
   * Work that has its own way of joining, cancelling and cleaning up (a pull): it is only listed. Its error is passed on
   * as it is: the kubelet reads the first word of a pull's.
   */
  async track<T>(kind: string, subject: string, body: (job: Job) => Promise<T>): Promise<T> {
    const job = new Job({ kind, subject, key: "", hash: "", deadline: 0 }, this.#store, this.#undoers);
    this.#tracked.add(job);
    try {
      const result = await body(job);
      job.end("done");
      return result;
    } catch (error) {
      job.end("failed", messageOf(error));
      throw error;
    } finally {
      this.#tracked.delete(job);
      this.#keepReport(job.report);
    }
  }

  #keepReport(report: JobReport): void {
    this.endedCount++;
    this.#ended.push(report);
    if (this.#ended.length > this.#keep) this.#ended.splice(0, this.#ended.length - this.#keep);
  }

  /** Newest first. */
  list(): JobReport[] {
    const running = [...this.#running.values()].map((entry) => entry.job).concat([...this.#tracked]);
    return [...running.map((job) => job.report), ...this.#ended.toReversed()];
  }

  get runningCount(): number {
    return this.#running.size + this.#tracked.size;
  }

  /** Settles when no job runs any more. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled([...this.#running.values()].map((entry) => entry.result));
  }

  /**
   * Before this process ends: what still runs is given up and undone. What takes longer than `grace` milliseconds is left
   * to the journal, and so to the next start.
   */
  async stop(grace: number): Promise<void> {
    const reason = new RpcError(Code.UNAVAILABLE, "the daemon stops; ask again when it is back");
    for (const { job } of this.#running.values()) job.abort(reason);
    await within(grace, this.idle());
  }

  /** At start: takes down what a job of a process that died had made and not yet stored. Rows that fail stay. */
  async mend(): Promise<number> {
    let mended = 0;
    for (const row of this.#store.journal()) {
      const undoer = this.#undoers[row.kind];
      if (!undoer) {
        this.#logger.error("journal: unknown kind of undo, left alone", { kind: row.kind });
        continue;
      }
      try {
        await undoer(row.args);
        this.#store.deleteJournal(row.seq);
        mended++;
      } catch (error) {
        this.#logger.error("journal: undo failed, kept for the next start", { kind: row.kind, args: row.args, error });
      }
    }
    return mended;
  }
}
