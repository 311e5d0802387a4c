import { Code, RpcError } from "../../rpc/status.ts";
import { EDQUOT, ENOSPC, type Kernel, type Programs, SIGKILL } from "../../sys/mod.ts";
import { linesOf, startChild } from "../child_start.ts";
import type { FolderUsage, UnpackEvent, UnpackTask } from "./types.ts";

const MAX_LINE = 1 << 16;

/**
 * Makes an image into a folder: `tree` in `task.folder`, which is empty before, described to the last xattr. Not synced.
 * Done by a process of its own. @throws {RpcError} RESOURCE_EXHAUSTED when the disk is full, else FAILED_PRECONDITION.
 */
export async function unpackImage(
  kernel: Kernel,
  programs: Programs,
  task: UnpackTask,
  signal?: AbortSignal,
): Promise<FolderUsage> {
  signal?.throwIfAborted();
  const { child, input, events } = startChild(kernel, programs, "__unpack");
  const stop = () => child.kill(SIGKILL);
  signal?.addEventListener("abort", stop);
  let result: UnpackEvent | undefined;
  let noise = "";
  try {
    await input.write(new TextEncoder().encode(JSON.stringify(task))).catch(() => {});
    input.close();
    for await (const lines of linesOf(events, MAX_LINE)) {
      for (const line of lines) {
        if (line.startsWith("{")) result = JSON.parse(line) as UnpackEvent;
        else noise ||= line;
      }
    }
    const { code } = await child.status;
    signal?.throwIfAborted();
    if (code === 0 && result?.event === "done") {
      return { usedBytes: result.usedBytes, inodesUsed: result.inodesUsed };
    }
    throw failureOf(task, result?.event === "error" ? result : { message: noise || `exit code ${code}` });
  } finally {
    signal?.removeEventListener("abort", stop);
    input.close();
    events.close();
    child.kill(SIGKILL);
    await child.status;
  }
}

function failureOf({ image }: UnpackTask, { message, code }: { message: string; code?: number }): RpcError {
  const isFull = code === ENOSPC || code === EDQUOT;
  return new RpcError(
    isFull ? Code.RESOURCE_EXHAUSTED : Code.FAILED_PRECONDITION,
    `cannot unpack ${image}: ${message}${isFull ? "; remove images, or give `root` a larger disk" : ""}`,
  );
}
