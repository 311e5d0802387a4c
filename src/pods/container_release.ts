import type { Container } from "./catalog.ts";
import type { Context } from "./context.ts";
import { removeFromRuntime } from "./teardown.ts";

/**
 * Takes an ended container out of the runtime: its cgroup, with the memory that is still charged to it, goes at once and
 * not when somebody removes the container. Its files stay. Repeatable; calls at the same time are one.
 */
export function releaseContainer(context: Context, container: Container): Promise<void> {
  const { record } = container;
  if (record.released) return Promise.resolve();
  return container.releasing ??= context.limitRuntime(() =>
    removeFromRuntime(context, {
      id: record.id,
      handler: record.runtime,
      bundle: record.bundle,
      placement: record.placement,
      monitor: record.monitor,
    })
  ).then(() => {
    record.released = true;
    context.store.updateContainer(record);
  }).finally(() => container.releasing = undefined);
}

/** For a moment when nobody waits for it: a failure is logged, and the container's removal tries again. */
export function releaseInBackground(context: Context, container: Container): void {
  releaseContainer(context, container).catch((error) => {
    context.logger.warn("an ended container could not be taken out of the runtime yet", {
      container: container.id,
      error,
    });
  });
}
