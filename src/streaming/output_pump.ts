import type { AsyncFd } from "../sys/mod.ts";
import type { ByteSink, RunningCommand } from "./types.ts";

const BUFFER_BYTES = 64 << 10;
/** Milliseconds that are waited, in all, for more output of a command that has ended. */
const DRAIN_WAIT = 1_000;
/** The largest pipe that an unprivileged process can make: more cannot be left over from the command itself. */
const DRAIN_BYTES = 1 << 20;
const START_POLL = 5;

export interface PumpOptions {
  source: Pick<AsyncFd, "read" | "close">;
  /** Undefined: the client did not ask for this output; it is read and dropped so that the command is not held up. */
  sink?: ByteSink;
  command: RunningCommand;
  /** The runtime writes its own errors here, too: what comes before the command has started is held back. */
  holdBack: boolean;
}

/** Copies a command's output to the client until its end; a child that it left behind may keep the pipe open for ever. */
export class OutputPump {
  readonly done: Promise<void>;
  /** When the command ended, as Date.now() has it. */
  #ended?: number;
  #drained = 0;
  #waited = 0;
  #reading = false;
  #timer?: ReturnType<typeof setTimeout>;

  constructor(private readonly options: PumpOptions) {
    const { ended } = options.command;
    const onEnd = () => {
      this.#ended = Date.now();
      // A read that waits already has no deadline of its own yet.
      this.#limitWait();
    };
    ended.then(onEnd, onEnd);
    this.done = this.#copy().finally(() => options.source.close());
  }

  async #copy(): Promise<void> {
    const { source, command, sink } = this.options;
    let hold = this.options.holdBack;
    const buffer = new Uint8Array(BUFFER_BYTES);
    for (;;) {
      const count = await this.#read(source, buffer);
      if (count === null) return;
      if (hold) {
        if (!await hasStarted(command)) return;
        hold = false;
      }
      try {
        await sink?.write(buffer.subarray(0, count));
      } catch {
        // The client takes no more of this. The command finds out by a broken pipe, or is killed if the client has gone.
        return;
      }
    }
  }

  async #read(source: PumpOptions["source"], buffer: Uint8Array): Promise<number | null> {
    if (this.#drained >= DRAIN_BYTES) return null;
    const began = Date.now();
    this.#reading = true;
    if (this.#ended !== undefined) this.#limitWait();
    const count = await source.read(buffer);
    this.#reading = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#ended !== undefined) {
      this.#waited += Date.now() - Math.max(began, this.#ended);
      this.#drained += count ?? 0;
    }
    return count;
  }

  #limitWait(): void {
    if (!this.#reading || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.options.source.close(), Math.max(DRAIN_WAIT - this.#waited, 0));
  }
}

/** Waits until the command runs, or is known never to have run. */
async function hasStarted(command: RunningCommand): Promise<boolean> {
  if (command.started()) return true;
  let over = false;
  const onEnd = () => {
    over = true;
  };
  command.ended.then(onEnd, onEnd);
  while (!over && !command.started()) await new Promise((resolve) => setTimeout(resolve, START_POLL));
  return command.started();
}
