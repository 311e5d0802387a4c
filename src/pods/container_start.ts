import { Code, messageOf, RpcError } from "../rpc/status.ts";
import type { Container } from "./catalog.ts";
import { releaseInBackground } from "./container_release.ts";
import { type Context, emit, nowNanoseconds } from "./context.ts";
import { noteExit } from "./exit.ts";

const DEADLINE = 115_000;

/** The field's code for a container whose program could not be started. */
const START_ERROR_EXIT_CODE = 128;

/** Starts a created container. Only from CREATED: RpcError FAILED_PRECONDITION else. */
export async function startContainer(context: Context, id: string): Promise<void> {
  const container = context.catalog.container(id);
  const sandbox = context.catalog.sandbox(container.record.sandboxId);
  if (sandbox.record.state !== "ready") {
    throw new RpcError(Code.FAILED_PRECONDITION, `container ${container.id}: its pod sandbox is not ready any more`);
  }
  return await (container.starting ??= start(context, container).finally(() => container.starting = undefined));
}

async function start(context: Context, container: Container): Promise<void> {
  const { record } = container;
  if (record.state !== "created" || container.removing) {
    throw new RpcError(
      Code.FAILED_PRECONDITION,
      `container ${container.id}: is ${
        container.removing ? "being removed" : record.state
      }, and only a created one can be started`,
    );
  }
  await context.jobs.run({
    kind: "start-container",
    key: `start:${record.id}`,
    hash: "",
    subject: container.config.metadata!.name,
    deadline: DEADLINE,
  }, async (job) => {
    job.report.objectId = record.id;
    await job.programStep("runtime start", async () => {
      try {
        await context.runtime.start(record.runtime, record.id);
      } catch (error) {
        failed(context, container, messageOf(error));
        throw error;
      }
    });
    container.change({ state: "running", startedAt: String(nowNanoseconds()) });
    context.store.updateContainer(record);
    emit(context, "started", record.id, record.sandboxId);
    // A program that ended at once has its exit file before it was noted as running.
    noteExit(context, container);
  });
}

function failed(context: Context, container: Container, message: string): void {
  const now = String(nowNanoseconds());
  container.change({
    state: "exited",
    startedAt: now,
    finishedAt: now,
    exitCode: START_ERROR_EXIT_CODE,
    reason: "StartError",
    message,
  });
  context.store.updateContainer(container.record);
  emit(context, "stopped", container.id, container.record.sandboxId);
  releaseInBackground(context, container);
}
