import { type Kernel, type Programs, SIGKILL } from "../sys/mod.ts";
import { linesOf, SET_ASIDE_AFTER, startChild } from "./child_start.ts";

interface ErrorEvent {
  event: "error";
  message: string;
  code?: number;
}

/** What a child says on its standard error, apart from how it failed. */
type TaskEvent<Event extends { event: string }> = Exclude<Event, { event: "error" }>;

export interface TaskOptions<Event extends { event: string }> {
  /** Goes to its standard input as JSON. */
  task: unknown;
  /** A descriptor, becomes its standard output. */
  output?: number;
  /** Bytes of an event at most. */
  maxLine: number;
  onEvent: (event: TaskEvent<Event>) => void;
  /** Kills it. */
  signal?: AbortSignal;
  /** See {@link ImageServiceOptions}; of a task that takes a while. It goes on if this fails. */
  setAside?: (pid: number) => Promise<void>;
}

/** Why a child could not do its task, in its own words. `code`: the error number of the system call that failed. */
export class TaskFailure extends Error {
  override name = "TaskFailure";
  constructor(message: string, readonly code?: number) {
    super(message);
  }
}

/**
 * Has one task done by a process of its own: this executable with a hidden command word. Settles when that has ended.
 * @throws {TaskFailure}
 */
export async function runTask<Event extends { event: string }>(
  kernel: Kernel,
  programs: Programs,
  word: string,
  { task, output, maxLine, onEvent, signal, setAside }: TaskOptions<Event>,
): Promise<void> {
  signal?.throwIfAborted();
  const { child, input, events } = startChild(kernel, programs, word, output);
  const stop = () => child.kill(SIGKILL);
  signal?.addEventListener("abort", stop);
  const moves = setTimeout(() => setAside?.(child.pid).catch(() => {}), SET_ASIDE_AFTER);
  let error: ErrorEvent | undefined;
  let noise = "";
  const take = (line: string) => {
    if (!line.startsWith("{")) return void (noise ||= line);
    const event = JSON.parse(line) as TaskEvent<Event> | ErrorEvent;
    if (event.event === "error") error = event as ErrorEvent;
    else onEvent(event as TaskEvent<Event>);
  };
  try {
    // A child that has given up reads no more of it, and says why.
    const given = input.write(new TextEncoder().encode(JSON.stringify(task))).catch(() => {}).finally(() =>
      input.close()
    );
    for await (const lines of linesOf(events, maxLine)) lines.forEach(take);
    await given;
    const { code } = await child.status;
    signal?.throwIfAborted();
    if (code !== 0) throw new TaskFailure(error?.message ?? (noise || `exit code ${code}`), error?.code);
  } finally {
    clearTimeout(moves);
    signal?.removeEventListener("abort", stop);
    input.close();
    events.close();
    child.kill(SIGKILL);
    await child.status;
  }
}
