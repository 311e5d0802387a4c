import { type Job, JobState, type ListJobsRequest, type ListJobsResponse } from "../../proto/gen/skiff/v1/admin.ts";
import type { JobReport } from "../pods/mod.ts";
import type { AdminDependencies } from "./dependencies.ts";

export const listJobs = ({ pods }: AdminDependencies) => (request: ListJobsRequest): ListJobsResponse => {
  const jobs = pods.jobs().filter((job) => !request.runningOnly || job.state === "running");
  return { jobs: jobs.slice(0, request.limit || undefined).map(shape) };
};

const STATES = { running: JobState.JOB_RUNNING, done: JobState.JOB_DONE, failed: JobState.JOB_FAILED };
const nanoseconds = (milliseconds: number) => BigInt(Math.round(milliseconds * 1e6));

function shape(job: JobReport): Job {
  return {
    id: job.id,
    kind: job.kind,
    subject: job.subject,
    state: STATES[job.state],
    startedAt: nanoseconds(job.startedAt),
    endedAt: nanoseconds(job.endedAt ?? 0),
    error: job.error,
    objectId: job.objectId,
    steps: job.steps.map((step) => ({
      name: step.name,
      startedAt: nanoseconds(step.startedAt),
      duration: nanoseconds(step.duration ?? 0),
      waitingFor: step.duration === undefined ? step.waitingFor : "",
    })),
  };
}
