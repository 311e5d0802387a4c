import type { AsyncFd } from "../sys/mod.ts";

export interface TerminalSize {
  rows: number;
  columns: number;
}

/** Our end of the terminal of a command. One reader and one writer at a time; it ends as the command lets go of it. */
export interface Terminal extends Pick<AsyncFd, "read" | "write" | "close"> {
  /** The program on it gets SIGWINCH. After `close` it does nothing. */
  resize(rows: number, columns: number): void;
}
