import { close, setNonBlocking } from "./descriptors.ts";
import { EAGAIN, EBADF, EINTR, EIO, failure } from "./errno.ts";
import { errno, libc } from "./libc_symbols.ts";
import { poller } from "./poller.ts";
import type { AsyncFd } from "./programs.ts";

/** Bytes that may pass without a turn of the event loop: a fast writer at the other end must not hold it. */
const BURST = 256 << 10;

class PolledFd implements AsyncFd {
  readonly fd: number;
  #closed = false;
  #burst = 0;

  constructor(fd: number) {
    setNonBlocking(fd);
    this.fd = fd;
  }

  async read(into: Uint8Array): Promise<number | null> {
    if (this.#burst >= BURST) await this.#turn("readable");
    for (;;) {
      if (this.#closed) return null;
      const count = Number(libc().read(this.fd, into as Uint8Array<ArrayBuffer>, BigInt(into.length)));
      if (count > 0) {
        this.#burst += count;
        return count;
      }
      if (count === 0) return null;
      const code = errno();
      // A pty whose other end is closed everywhere answers EIO: that is its end of file.
      if (code === EIO) return null;
      if (code === EAGAIN) await this.#turn("readable");
      else if (code !== EINTR) throw failure(code, "read", `descriptor ${this.fd}`);
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let offset = 0; offset < bytes.length;) {
      if (this.#closed) throw failure(EBADF, "write", `descriptor ${this.fd} (closed)`);
      if (this.#burst >= BURST) await this.#turn("writable");
      const rest = offset === 0 ? bytes : bytes.subarray(offset);
      const count = Number(libc().write(this.fd, rest as Uint8Array<ArrayBuffer>, BigInt(rest.length)));
      if (count >= 0) {
        offset += count;
        this.#burst += count;
        continue;
      }
      const code = errno();
      if (code === EAGAIN) await this.#turn("writable");
      else if (code !== EINTR) throw failure(code, "write", `descriptor ${this.fd}`);
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    poller.forget(this.fd);
    close(this.fd);
  }

  async #turn(direction: "readable" | "writable"): Promise<void> {
    this.#burst = 0;
    await poller[direction](this.fd);
  }
}

/**
 * Takes over a pipe, socket, pty or other pollable descriptor: sets it non-blocking and closes it in the end.
 * One reader and one writer at a time. `close` makes a pending read resolve with null and a pending write fail.
 */
export function asyncFd(fd: number): AsyncFd {
  return new PolledFd(fd);
}
