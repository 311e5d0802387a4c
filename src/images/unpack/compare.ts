import type { Kernel, Programs } from "../../sys/mod.ts";
import { runTask, TaskFailure } from "../task_child.ts";
import type { CompareEvent, Comparison, FolderTask } from "./types.ts";

const MAX_LINE = 1 << 16;

/** Compares a folder with the image that it was made of, in a process of its own. @throws {TaskFailure} */
export async function compareImage(
  kernel: Kernel,
  programs: Programs,
  task: FolderTask,
  signal?: AbortSignal,
): Promise<Comparison> {
  let result: Comparison | undefined;
  const onEvent = ({ difference, unreadable }: Comparison) => result = { difference, unreadable };
  await runTask<CompareEvent>(kernel, programs, "__compare", { task, maxLine: MAX_LINE, onEvent, signal });
  if (!result) throw new TaskFailure("it ended without saying what it had found");
  return result;
}
