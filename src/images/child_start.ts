import { type AsyncFd, asyncFd, type Child, type Kernel, pipe, type Programs, selfCommand } from "../sys/mod.ts";
import { childEnvironment } from "./child_environment.ts";
import { LineSplitter } from "./child_events.ts";

/** Of processes that have time: they get a third of the processor time of what runs beside them. */
export const CHILD_NICE = 5;

/** Milliseconds; a move to another cgroup costs some itself, and a small image is here by then. */
export const SET_ASIDE_AFTER = 150;

/** Pipes whose ends are closed together, but for those that somebody keeps. */
export class Pipes implements Disposable {
  #kernel: Kernel;
  #ends = new Set<number>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  open(): { read: number; write: number } {
    const ends = pipe();
    this.#ends.add(ends.read).add(ends.write);
    return ends;
  }

  keep(end: number): number {
    this.#ends.delete(end);
    return end;
  }

  [Symbol.dispose](): void {
    for (const end of this.#ends) this.#kernel.close(end);
  }
}

/**
 * Starts this executable again with a hidden command word and without a network's variables: `input` goes to its standard
 * input, `events` is what it says on its standard error. `output`, a descriptor, becomes its standard output.
 */
export function startChild(
  kernel: Kernel,
  programs: Programs,
  word: string,
  output?: number,
): { child: Child; input: AsyncFd; events: AsyncFd } {
  using pipes = new Pipes(kernel);
  const [input, events] = [pipes.open(), pipes.open()];
  const [program, ...args] = selfCommand(word);
  const fds: Record<number, number> = { 0: input.read, 2: events.write };
  if (output !== undefined) fds[1] = output;
  const child = programs.spawn(program, args, { env: childEnvironment(kernel, { network: false }), fds });
  kernel.makePatient(child.pid, CHILD_NICE);
  return { child, input: asyncFd(pipes.keep(input.write)), events: asyncFd(pipes.keep(events.read)) };
}

/** The lines that a child writes, up to its end, none longer than `limit` bytes; all that came at once together. */
export async function* linesOf(fd: AsyncFd, limit: number): AsyncGenerator<string[]> {
  const splitter = new LineSplitter(limit);
  const buffer = new Uint8Array(1 << 14);
  for (let count = await fd.read(buffer); count !== null; count = await fd.read(buffer)) {
    yield splitter.push(buffer.subarray(0, count));
  }
}
