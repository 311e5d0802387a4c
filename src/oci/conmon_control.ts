import { Code, RpcError } from "../rpc/status.ts";
import type { Kernel } from "../sys/kernel.ts";
import { ENOENT, ENXIO, Errno, KeyedQueue, O_NONBLOCK, O_WRONLY, unreadBytes } from "../sys/mod.ts";

/** Milliseconds for conmon to take the command before, and between looks. */
const TAKEN_GRACE = 10_000;
const TAKEN_POLL = 5;

/**
 * Commands to a container's conmon through the `ctl` fifo in its bundle. One at a time: a conmon (seen: 2.1.6) that finds
 * two lines at once obeys the first one twice, and a terminal would keep the size before the last.
 */
export class ConmonControl {
  readonly #queue = new KeyedQueue();

  constructor(private readonly kernel: Kernel) {}

  /** RpcError FAILED_PRECONDITION: conmon has ended; DEADLINE_EXCEEDED: it takes nothing. */
  send(bundle: string, command: string): Promise<void> {
    return this.#queue.run(bundle, () => this.#write(bundle, command));
  }

  async #write(bundle: string, command: string): Promise<void> {
    try {
      // Without O_NONBLOCK an open of a fifo that nobody reads any more would stop the whole daemon.
      const fd = this.kernel.open(`${bundle}/ctl`, O_WRONLY | O_NONBLOCK);
      try {
        await this.#untilTaken(fd, bundle);
        this.kernel.write(fd, new TextEncoder().encode(command));
      } finally {
        this.kernel.close(fd);
      }
    } catch (error) {
      if (!(error instanceof Errno && (error.code === ENXIO || error.code === ENOENT))) throw error;
      throw new RpcError(Code.FAILED_PRECONDITION, `conmon of ${bundle} does not run any more`, { cause: error });
    }
  }

  async #untilTaken(fd: number, bundle: string): Promise<void> {
    for (const deadline = Date.now() + TAKEN_GRACE; unreadBytes(fd) > 0;) {
      if (Date.now() > deadline) {
        throw new RpcError(
          Code.DEADLINE_EXCEEDED,
          `conmon of ${bundle} has not read a command for ${TAKEN_GRACE / 1000} s`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, TAKEN_POLL));
    }
  }
}
