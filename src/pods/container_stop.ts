import { isAlive, SIGKILL, signalProcess } from "../sys/mod.ts";
import type { Container } from "./catalog.ts";
import { releaseContainer } from "./container_release.ts";
import type { Context } from "./context.ts";
import { noteExit, noteLost } from "./exit.ts";

/** After SIGKILL: between looks for an exit, growing to the second. */
const KILL_RETRY_FIRST = 20;
const KILL_RETRY_MOST = 1_000;

/**
 * Stops a container: its stop signal, `timeout` seconds of grace, then SIGKILL to all that it started. Several stops are
 * one: a later call can only bring the SIGKILL forward. Not running, or unknown to the kernel: nothing to do.
 */
export async function stopContainer(context: Context, container: Container, timeout: number): Promise<void> {
  if (container.record.state === "exited" || noteExit(context, container)) return;
  const deadline = Date.now() + Math.max(0, timeout) * 1000;
  if (container.stop) {
    if (deadline < container.stop.deadline) {
      container.stop.deadline = deadline;
      container.stop.wake();
    }
    return await container.stop.done;
  }
  const stop = { deadline, done: Promise.resolve(), wake: () => {} };
  container.stop = stop;
  stop.done = context.jobs.track("stop-container", container.id, async () => {
    await run(context, container, stop);
    await releaseContainer(context, container);
  }).finally(() => container.stop = undefined);
  return await stop.done;
}

async function run(context: Context, container: Container, stop: NonNullable<Container["stop"]>): Promise<void> {
  await container.starting?.catch(() => {});
  const { record } = container;
  // One that never started has no program that could handle a signal.
  if (record.state === "running" && stop.deadline > Date.now()) {
    signalProcess(record.process, record.stopSignal);
    while (stop.deadline > Date.now()) {
      const ended = await Promise.race([container.exited.then(() => true), sleepUntil(stop)]);
      if (ended || gone(context, container)) return;
    }
  }
  for (let pause = KILL_RETRY_FIRST; !gone(context, container); pause = Math.min(pause * 2, KILL_RETRY_MOST)) {
    killAll(context, container);
    await Promise.race([container.exited, new Promise((resolve) => setTimeout(resolve, pause))]);
    if (pause === KILL_RETRY_MOST) {
      context.logger.warn("container does not die after SIGKILL", {
        container: container.id,
        processes: stuck(context, container),
      });
    }
  }
}

/** Until the deadline as it is now, or until somebody lowered it. */
function sleepUntil(stop: NonNullable<Container["stop"]>): Promise<false> {
  return new Promise((resolve) => {
    // setTimeout takes at most 2^31-1 ms; the caller's loop looks at the deadline again.
    const timer = setTimeout(() => resolve(false), Math.min(stop.deadline - Date.now(), 2 ** 31 - 1));
    stop.wake = () => {
      clearTimeout(timer);
      resolve(false);
    };
  });
}

/** Its first process, and whatever else is in its cgroup: in a shared pid namespace the others would live on. */
function killAll(context: Context, container: Container): void {
  const { record } = container;
  signalProcess(record.process, SIGKILL);
  for (const pid of context.cgroups.processes(record.placement)) {
    try {
      context.kernel.kill(pid, SIGKILL);
    } catch {
      // It ended in between.
    }
  }
}

function gone(context: Context, container: Container): boolean {
  if (container.record.state === "exited" || noteExit(context, container)) return true;
  if (isAlive(container.record.process)) return false;
  noteLost(context, container);
  return (container.record.state as string) === "exited";
}

/** pid, state and where the kernel holds it: the usual reason is a hung mount. */
function stuck(context: Context, container: Container): string[] {
  return context.cgroups.processes(container.record.placement).slice(0, 5).map((pid) => {
    try {
      return `${pid} ${context.kernel.readText(`/proc/${pid}/wchan`)}`;
    } catch {
      return String(pid);
    }
  });
}
