import { type AsyncFd, asyncFd, ConsoleSocket, EBADF, failure, resizePty } from "../sys/mod.ts";
import type { Terminal, TerminalSize } from "./terminal.ts";

/** Milliseconds for the runtime to make the terminal and hand it over: it comes before the command runs. */
const HANDOVER_WAIT = 60_000;

/** The command's own terminal, which the runtime hands over through a socket: no program stands between it and us. */
export class ConsoleTerminal implements Terminal {
  /** Rejects when what came was no terminal, or nothing in time. Resolves also when the runtime ended without one. */
  readonly arrived: Promise<void>;
  readonly #socket: ConsoleSocket;
  #size: TerminalSize | undefined;
  #master?: AsyncFd;
  #closed = false;

  constructor(path: string, size: TerminalSize | undefined) {
    this.#size = size;
    this.#socket = new ConsoleSocket(path);
    this.arrived = this.#receive();
    this.arrived.catch(() => {});
  }

  /** The runtime has ended: what it has not handed over by now will not come. */
  runtimeEnded(): void {
    this.#socket.stop();
  }

  async read(into: Uint8Array): Promise<number | null> {
    await this.#settled();
    return await this.#master?.read(into) ?? null;
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#settled();
    if (!this.#master) throw failure(EBADF, "write", "a terminal that never was");
    await this.#master.write(bytes);
  }

  resize(rows: number, columns: number): void {
    this.#size = { rows, columns };
    if (this.#master && !this.#closed) resizePty(this.#master.fd, rows, columns);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#master?.close();
    // A runtime that still wants to hand it over is refused, and a read that waits for it ends.
    this.#socket.stop();
  }

  async #receive(): Promise<void> {
    const fd = await this.#socket.receive(HANDOVER_WAIT);
    if (fd === undefined) return;
    this.#master = asyncFd(fd);
    if (this.#closed) this.#master.close();
    else if (this.#size) resizePty(fd, this.#size.rows, this.#size.columns);
  }

  #settled(): Promise<void> {
    return this.arrived.catch(() => {});
  }
}
