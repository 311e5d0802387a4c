import { O_CLOEXEC, O_NONBLOCK } from "./constants.ts";
import { close } from "./descriptors.ts";
import { EAGAIN, EINTR, ENAMETOOLONG, ETIMEDOUT, failure } from "./errno.ts";
import { addressable, addressOf, errno, libc } from "./libc_symbols.ts";
import { poller } from "./poller.ts";

const AF_UNIX = 1;
const SOCK_STREAM = 1;
/** sun_path without its NUL. */
const PATH_BYTES = 107;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_CMSG_CLOEXEC = 0x40000000;
/** struct cmsghdr and one descriptor; for a second one the kernel finds no room, and drops it. */
const CONTROL_BYTES = 16 + 4;
/** With the descriptor comes its name, which nobody needs. */
const DATA_BYTES = 4096;
const MSGHDR_BYTES = 56;
/** Fails on whatever is not the master end of a pseudo terminal. */
const TIOCGPTN = 0x80045430n;

/** A listening unix socket to which an OCI runtime hands the master end of the terminal that it made in the container. */
export class ConsoleSocket {
  readonly #listener: number;
  #waiting = -1;
  #stopped = false;

  /** Listens from now on. `path` has at most 107 bytes; the caller removes the file. {@link receive} must follow. */
  constructor(private readonly path: string) {
    const to = address(path);
    this.#listener = libc().socket(AF_UNIX, SOCK_STREAM | O_CLOEXEC | O_NONBLOCK, 0);
    if (this.#listener < 0) throw failure(errno(), "socket", `for ${path}`);
    try {
      if (libc().bind(this.#listener, to, to.length) < 0) throw failure(errno(), "bind", path);
      if (libc().listen(this.#listener, 1) < 0) throw failure(errno(), "listen", path);
    } catch (error) {
      close(this.#listener);
      throw error;
    }
  }

  /**
   * The terminal's master, for {@link asyncFd}; the caller closes it. Undefined: the runtime left without one, or
   * {@link stop} came first. `timeout` in milliseconds: Errno ETIMEDOUT. To be called once; the socket is closed after it.
   */
  async receive(timeout: number): Promise<number | undefined> {
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      this.stop();
    }, timeout);
    let connection: number | undefined;
    try {
      connection = await this.#once(this.#listener, () => accept(this.#listener, this.path));
      const received = connection;
      const master = received === undefined
        ? undefined
        : await this.#once(received, () => receiveMaster(received, this.path));
      if (master === undefined && timedOut) throw failure(ETIMEDOUT, "accept", this.path);
      return master === NONE ? undefined : master;
    } finally {
      clearTimeout(timer);
      for (const fd of [this.#listener, connection]) {
        if (fd === undefined) continue;
        poller.forget(fd);
        close(fd);
      }
    }
  }

  /** Nothing more will come: what has come already is still received. */
  stop(): void {
    this.#stopped = true;
    if (this.#waiting >= 0) poller.forget(this.#waiting);
  }

  async #once(fd: number, attempt: () => number | undefined): Promise<number | undefined> {
    for (;;) {
      const result = attempt();
      if (result !== undefined || this.#stopped) return result;
      this.#waiting = fd;
      await poller.readable(fd);
      this.#waiting = -1;
    }
  }
}

function address(path: string): Uint8Array<ArrayBuffer> {
  const bytes = new TextEncoder().encode(path);
  if (bytes.length > PATH_BYTES) throw failure(ENAMETOOLONG, "bind", path);
  const buffer = new Uint8Array(2 + PATH_BYTES + 1);
  buffer[0] = AF_UNIX;
  buffer.set(bytes, 2);
  return buffer;
}

/** The connection; undefined when there is none yet. */
function accept(listener: number, path: string): number | undefined {
  for (;;) {
    const fd = libc().accept4(listener, null, null, O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0) return fd;
    const code = errno();
    if (code === EAGAIN) return undefined;
    if (code !== EINTR) throw failure(code, "accept4", path);
  }
}

/** A message without a descriptor, or the end of the connection. */
const NONE = -1;

/** The descriptor; undefined when no message is there yet. */
function receiveMaster(connection: number, path: string): number | undefined {
  const data = addressable(DATA_BYTES);
  const control = addressable(CONTROL_BYTES);
  const vector = addressable(16);
  const message = addressable(MSGHDR_BYTES);
  new BigUint64Array(vector.buffer).set([addressOf(data), BigInt(DATA_BYTES)]);
  const header = new BigUint64Array(message.buffer);
  for (;;) {
    header.set([0n, 0n, addressOf(vector), 1n, addressOf(control), BigInt(CONTROL_BYTES), 0n]);
    const count = Number(libc().recvmsg(connection, message, MSG_CMSG_CLOEXEC));
    if (count >= 0) break;
    const code = errno();
    if (code === EAGAIN) return undefined;
    if (code !== EINTR) throw failure(code, "recvmsg", path);
  }
  const view = new DataView(control.buffer);
  const whole = header[5] >= BigInt(CONTROL_BYTES);
  if (!whole || view.getInt32(8, true) !== SOL_SOCKET || view.getInt32(12, true) !== SCM_RIGHTS) return NONE;
  const master = view.getInt32(16, true);
  // The runtime made it in the container's file system, where a container has its say.
  if (libc().ioctl(master, TIOCGPTN, new Uint8Array(4)) < 0) {
    const code = errno();
    close(master);
    throw failure(code, "ioctl", `TIOCGPTN of what came through ${path}`);
  }
  return master;
}
