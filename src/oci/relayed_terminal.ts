import type { Kernel } from "../sys/kernel.ts";
import { type AsyncFd, asyncFd, type Child, O_NOCTTY, O_RDWR, openPty, resizePty, setRawPty } from "../sys/mod.ts";
import { resizeInnerTerminal } from "./inner_terminal.ts";
import type { Terminal, TerminalSize } from "./terminal.ts";

/**
 * A terminal for a runtime that hands none over unless it leaves the command (runc): the runtime runs on it, and copies
 * what passes between it and the command's own.
 */
export class RelayedTerminal implements Terminal {
  readonly #end: AsyncFd;
  #runtime?: Child;
  #closed = false;

  /** `start` starts the runtime with the other end as its input and output. */
  static async start(
    kernel: Kernel,
    size: TerminalSize | undefined,
    start: (peer: number) => Promise<Child>,
  ): Promise<{ terminal: RelayedTerminal; child: Child }> {
    const { master, tty } = openPty();
    const terminal = new RelayedTerminal(kernel, master);
    let peer: number | undefined;
    try {
      // The terminal of the command's own behind this one alone edits lines and echoes.
      setRawPty(master);
      if (size) resizePty(master, size.rows, size.columns);
      // Not as the controlling terminal: the kernel would drop the last output when the leader of its session ends.
      peer = kernel.open(tty, O_RDWR | O_NOCTTY);
      const child = await start(peer);
      terminal.#runs(child);
      return { terminal, child };
    } catch (error) {
      terminal.close();
      throw error;
    } finally {
      if (peer !== undefined) kernel.close(peer);
    }
  }

  private constructor(private readonly kernel: Kernel, private readonly master: number) {
    this.#end = asyncFd(master);
  }

  #runs(runtime: Child): void {
    this.#runtime = runtime;
    const forget = () => this.#runtime = undefined;
    runtime.status.then(forget, forget);
  }

  read(into: Uint8Array): Promise<number | null> {
    return this.#end.read(into);
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#end.write(bytes);
  }

  resize(rows: number, columns: number): void {
    if (this.#closed) return;
    resizePty(this.master, rows, columns);
    if (this.#runtime) resizeInnerTerminal(this.kernel, this.#runtime.pid, rows, columns);
  }

  close(): void {
    this.#closed = true;
    this.#end.close();
  }
}
