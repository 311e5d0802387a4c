import type { Kernel } from "../sys/kernel.ts";
import { type AsyncFd, asyncFd, type Child, O_NOCTTY, O_RDWR, openPty, resizePty, setRawPty } from "../sys/mod.ts";
import { resizeInnerTerminal } from "./inner_terminal.ts";
import type { Terminal, TerminalSize } from "./terminal.ts";

/**
 * A terminal for a runtime that hands none over unless it leaves the command (runc): the runtime runs on it, and copies
 * what passes between it and the command's own.
 */
export class RelayedTerminal implements Terminal {
  readonly #master: number;
  readonly #end: AsyncFd;
  #runtime?: Child;
  #closed = false;

  /** `start` starts the runtime with the other end as its input and output. */
  constructor(private readonly kernel: Kernel, size: TerminalSize | undefined, start: (peer: number) => Child) {
    const { master, tty } = openPty();
    this.#master = master;
    this.#end = asyncFd(master);
    let peer: number | undefined;
    try {
      // The terminal of the command's own behind this one alone edits lines and echoes.
      setRawPty(master);
      if (size) resizePty(master, size.rows, size.columns);
      // Not as the controlling terminal: the kernel would drop the last output when the leader of its session ends.
      peer = kernel.open(tty, O_RDWR | O_NOCTTY);
      this.#runtime = start(peer);
    } catch (error) {
      this.close();
      throw error;
    } finally {
      if (peer !== undefined) kernel.close(peer);
    }
    const forget = () => this.#runtime = undefined;
    this.#runtime.status.then(forget, forget);
  }

  read(into: Uint8Array): Promise<number | null> {
    return this.#end.read(into);
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#end.write(bytes);
  }

  resize(rows: number, columns: number): void {
    if (this.#closed) return;
    resizePty(this.#master, rows, columns);
    if (this.#runtime) resizeInnerTerminal(this.kernel, this.#runtime.pid, rows, columns);
  }

  close(): void {
    this.#closed = true;
    this.#end.close();
  }
}
