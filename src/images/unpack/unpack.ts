import { Code, RpcError } from "../../rpc/status.ts";
import { EDQUOT, ENOSPC, type Kernel, type Programs } from "../../sys/mod.ts";
import { runTask, TaskFailure, type TaskOptions } from "../task_child.ts";
import type { FolderTask, FolderUsage, UnpackEvent } from "./types.ts";

const MAX_LINE = 1 << 16;

export type UnpackOptions = Pick<TaskOptions<UnpackEvent>, "signal" | "setAside">;

/**
 * Makes an image into a folder: `tree` in `task.folder`, which is empty before, described to the last xattr. Not synced.
 * Done by a process of its own. @throws {RpcError} RESOURCE_EXHAUSTED when the disk is full, else FAILED_PRECONDITION.
 */
export async function unpackImage(
  kernel: Kernel,
  programs: Programs,
  task: FolderTask,
  options: UnpackOptions = {},
): Promise<FolderUsage> {
  let usage: FolderUsage | undefined;
  const onEvent = ({ usedBytes, inodesUsed }: FolderUsage) => usage = { usedBytes, inodesUsed };
  try {
    await runTask<UnpackEvent>(kernel, programs, "__unpack", { ...options, task, maxLine: MAX_LINE, onEvent });
    if (!usage) throw new TaskFailure("it ended without saying what it had made");
    return usage;
  } catch (error) {
    throw error instanceof TaskFailure ? failureOf(task, error) : error;
  }
}

function failureOf({ image }: FolderTask, { message, code }: TaskFailure): RpcError {
  const isFull = code === ENOSPC || code === EDQUOT;
  return new RpcError(
    isFull ? Code.RESOURCE_EXHAUSTED : Code.FAILED_PRECONDITION,
    `cannot unpack ${image}: ${message}${isFull ? "; remove images, or give `root` a larger disk" : ""}`,
  );
}
