import { isAlive } from "../sys/mod.ts";
import type { Container } from "./catalog.ts";
import { releaseInBackground } from "./container_release.ts";
import { type Context, emit, nowNanoseconds } from "./context.ts";

/** A monitor that died without an exit file leaves nobody who knows the code: this is what CRI-O reports, too. */
const UNKNOWN_EXIT_CODE = 255;

/** Takes note of an ended container: exit code, time and reason, from the monitor's exit file. False: it has not ended. */
export function noteExit(context: Context, container: Container): boolean {
  const { record } = container;
  if (record.state === "exited") return true;
  const exit = context.monitor.exit(record.id);
  if (!exit) return false;
  const oomKilled = exit.oomKilled || context.cgroups.oomKilled(record.placement);
  const reason = oomKilled ? "OOMKilled" : exit.code === 0 ? "Completed" : "Error";
  end(context, container, { exitCode: exit.code, finishedAt: String(exit.finishedAt), reason, message: "" });
  return true;
}

/** For a container whose process and monitor are both gone and left no exit file. */
export function noteLost(context: Context, container: Container): void {
  const { record } = container;
  if (record.state === "exited" || isAlive(record.process) || isAlive(record.monitor)) {
    return;
  }
  if (noteExit(context, container)) return;
  end(context, container, {
    exitCode: UNKNOWN_EXIT_CODE,
    finishedAt: String(nowNanoseconds()),
    reason: "Unknown",
    message: "the container's monitor (conmon) ended without an exit code",
  });
}

/** For a container of an earlier boot. */
export function noteReboot(context: Context, container: Container): void {
  if (container.record.state === "exited") return;
  end(context, container, {
    exitCode: UNKNOWN_EXIT_CODE,
    finishedAt: String(nowNanoseconds()),
    reason: "NodeRebooted",
    message: "the node was restarted while the container existed",
  });
}

function end(
  context: Context,
  container: Container,
  fields: { exitCode: number; finishedAt: string; reason: string; message: string },
): void {
  container.change({ ...fields, state: "exited" });
  context.store.updateContainer(container.record);
  emit(context, "stopped", container.id, container.record.sandboxId);
  releaseInBackground(context, container);
  context.logger.info("container ended", {
    container: container.id,
    pod: container.record.sandboxId,
    code: fields.exitCode,
    reason: fields.reason,
  });
}
