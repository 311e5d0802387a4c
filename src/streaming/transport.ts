import { headEnd, type HttpHead, HttpRefusal, parseHead } from "./http_head.ts";
import { LIMITS } from "./limits.ts";
import type { Transport } from "./types.ts";

const READ_BYTES = 64 << 10;
const FIRST_HEAD_BYTES = 4 << 10;

/** A TCP or TLS connection of the streaming server, with a clock for idleness. */
export class SocketTransport implements Transport {
  onClose?: () => void;
  #buffer?: Uint8Array<ArrayBuffer>;
  /** Came with the head of the request and belongs to the protocol after it. */
  #early?: Uint8Array;
  #closed = false;
  #lastActivity = Date.now();
  #idleTimer?: ReturnType<typeof setTimeout>;

  constructor(private readonly connection: Deno.Conn) {}

  /** Reads the request that opens the connection. HttpRefusal; undefined when the client went away without a word. */
  async readHead(): Promise<HttpHead | undefined> {
    // Deno has no deadline for a read; the one that loses the race ends when the connection is closed.
    let timer: ReturnType<typeof setTimeout> | undefined;
    const timeout = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new HttpRefusal(408, `no whole request came within ${LIMITS.headTimeout / 1000} s`)),
        LIMITS.headTimeout,
      );
    });
    try {
      return await Promise.race([this.#collectHead(), timeout]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #collectHead(): Promise<HttpHead | undefined> {
    let buffer = new Uint8Array(FIRST_HEAD_BYTES);
    for (let length = 0;;) {
      if (length === buffer.length) {
        if (length >= LIMITS.headBytes) {
          throw new HttpRefusal(431, `the head of the request is longer than ${LIMITS.headBytes} bytes`);
        }
        const larger = new Uint8Array(length * 2);
        larger.set(buffer);
        buffer = larger;
      }
      const count = await this.#readInto(buffer.subarray(length));
      if (count === null) return undefined;
      const end = headEnd(buffer.subarray(0, length + count), length);
      length += count;
      if (end < 0) continue;
      if (end < length) this.#early = buffer.slice(end, length);
      return parseHead(buffer.subarray(0, end));
    }
  }

  /** Closes the connection when nothing has gone through it, either way, for this many milliseconds. */
  closeWhenIdle(after: number): void {
    const check = () => {
      const rest = this.#lastActivity + after - Date.now();
      if (rest <= 0) this.close();
      else this.#idleTimer = setTimeout(check, rest);
    };
    this.#idleTimer = setTimeout(check, after);
  }

  async read(): Promise<Uint8Array | null> {
    const early = this.#early;
    if (early !== undefined) {
      this.#early = undefined;
      return early;
    }
    const buffer = this.#buffer ??= new Uint8Array(READ_BYTES);
    const count = await this.#readInto(buffer);
    return count === null ? null : buffer.subarray(0, count);
  }

  async write(bytes: Uint8Array): Promise<void> {
    try {
      for (let offset = 0; offset < bytes.length;) {
        offset += await this.connection.write(offset === 0 ? bytes : bytes.subarray(offset));
        this.#lastActivity = Date.now();
      }
    } catch (error) {
      // Reading may be held back just now and so not see that the client has gone.
      this.close();
      throw error;
    }
  }

  async closeWrite(): Promise<void> {
    if (this.#closed) return;
    try {
      await this.connection.closeWrite();
    } catch {
      // The client has gone already.
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#idleTimer);
    try {
      this.connection.close();
    } catch {
      // Closed by an error of its own.
    }
    this.onClose?.();
  }

  async #readInto(buffer: Uint8Array): Promise<number | null> {
    if (this.#closed) return null;
    try {
      const count = await this.connection.read(buffer);
      this.#lastActivity = Date.now();
      return count === 0 ? null : count;
    } catch {
      // A reset, a broken TLS record, our own close: there is nothing more to be had.
      return null;
    }
  }
}
