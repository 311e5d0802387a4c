import { Command, InvalidArgumentError } from "commander";
import { type Job, JobState, type JobStep } from "../../proto/gen/skiff/v1/admin.ts";
import { type DaemonOptions, withDaemon, withDaemonOptions } from "./client.ts";
import { age, duration, shortId, timestamp } from "./format.ts";
import { oneLine, printJson, printTable } from "./print.ts";
import type { Terminal } from "./terminal.ts";

interface Options extends DaemonOptions {
  running?: boolean;
  steps?: boolean;
  limit: number;
}

const STATE_WORDS: Partial<Record<JobState, string>> = {
  [JobState.JOB_RUNNING]: "running",
  [JobState.JOB_DONE]: "done",
  [JobState.JOB_FAILED]: "failed",
};

/** `skiff jobs` */
export function command(terminal: Terminal): Command {
  return withDaemonOptions(new Command("jobs"))
    .summary("what the daemon does now, and did lately, step by step")
    .description(
      "Every change is a job with named, timed steps. Lists those that run and those that ended last, with how long each took.",
    )
    .option("-r, --running", "Only those that run.")
    .option("--steps", "Each step with its time, and what a running one waits for.")
    .option("--limit <N>", "At most this many; 0: all that are kept.", count, 20)
    .addHelpText(
      "after",
      `
Examples:
  skiff jobs                      the last 20
  skiff jobs --running --steps    what runs now, and what it waits for
`,
    )
    .action((options: Options) => listJobs(terminal, options));
}

async function listJobs(terminal: Terminal, options: Options): Promise<void> {
  const { jobs } = await withDaemon(
    options,
    ({ admin }) => admin.listJobs({ runningOnly: options.running ?? false, limit: options.limit }),
  );
  if (options.json) return printJson(terminal, jobs.map(jobAsJson));
  const now = BigInt(Date.now()) * 1_000_000n;
  if (!options.steps) return printTable(terminal, HEADINGS, jobs.map((job) => row(job, now)));
  for (const job of jobs) {
    terminal.out(`${row(job, now).map(oneLine).filter(Boolean).join("  ")}\n`);
    for (const step of job.steps) terminal.out(`  ${stepLine(step, now)}\n`);
  }
}

const HEADINGS = ["job", "kind", "subject", "state", "started", "took", "object", "error"];

function row(job: Job, now: bigint): string[] {
  const end = job.endedAt > 0n ? job.endedAt : now;
  const ago = `${age(job.startedAt, now)} ago`;
  return [
    job.id,
    job.kind,
    job.subject,
    STATE_WORDS[job.state] ?? "?",
    ago,
    duration(end - job.startedAt),
    shortId(job.objectId),
    job.error,
  ];
}

function stepLine(step: JobStep, now: bigint): string {
  const running = step.duration === 0n;
  const took = duration(running ? now - step.startedAt : step.duration).padStart(8);
  const waiting = running ? `  … ${step.waitingFor ? `waits for ${step.waitingFor}` : "runs"}` : "";
  return `${took}  ${oneLine(step.name)}${oneLine(waiting)}`;
}

function jobAsJson(job: Job) {
  return {
    ...job,
    state: STATE_WORDS[job.state],
    startedAt: timestamp(job.startedAt),
    endedAt: timestamp(job.endedAt),
  };
}

function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 1_000_000) {
    throw new InvalidArgumentError("It is a whole number, 0 or more.");
  }
  return value;
}
