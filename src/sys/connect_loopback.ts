import { asyncFd } from "./async_fd.ts";
import { CLONE_NEWNET, O_CLOEXEC, O_NONBLOCK } from "./constants.ts";
import { close } from "./descriptors.ts";
import { ETIMEDOUT, failure } from "./errno.ts";
import { errno, libc } from "./libc_symbols.ts";
import { inNamespaces } from "./namespaces.ts";
import { poller } from "./poller.ts";
import type { AsyncFd } from "./programs.ts";

const EINPROGRESS = 115;
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOL_SOCKET = 1;
const SO_ERROR = 4;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;

export interface LoopbackAddress {
  family: "ipv4" | "ipv6";
  port: number;
}

/** sockaddr_in or sockaddr_in6 of 127.0.0.1 or ::1. */
function socketAddress({ family, port }: LoopbackAddress): Uint8Array<ArrayBuffer> {
  const buffer = new Uint8Array(family === "ipv4" ? 16 : 28);
  const view = new DataView(buffer.buffer);
  view.setUint16(0, family === "ipv4" ? AF_INET : AF_INET6, true);
  view.setUint16(2, port);
  if (family === "ipv4") buffer.set([127, 0, 0, 1], 4);
  else buffer[23] = 1;
  return buffer;
}

/** A socket belongs for good to the network namespace that it is made in: only this one call has to be made inside. */
function socketIn(netns: string | undefined, { family }: LoopbackAddress): number {
  const make = () => {
    const domain = family === "ipv4" ? AF_INET : AF_INET6;
    const fd = libc().socket(domain, SOCK_STREAM | O_CLOEXEC | O_NONBLOCK, 0);
    if (fd < 0) throw failure(errno(), "socket", `${family} in ${netns ?? "the host's network namespace"}`);
    return fd;
  };
  return netns === undefined ? make() : inNamespaces([{ path: netns, flag: CLONE_NEWNET }], make);
}

/**
 * Connects by TCP to a port on 127.0.0.1 or ::1 inside a pinned network namespace (undefined: the host's).
 * `timeout` in milliseconds; Errno ECONNREFUSED, ETIMEDOUT…
 */
export async function connectLoopback(
  address: LoopbackAddress,
  options: { netns?: string; timeout: number },
): Promise<AsyncFd> {
  const shown = address.family === "ipv4" ? `127.0.0.1:${address.port}` : `[::1]:${address.port}`;
  const fd = socketIn(options.netns, address);
  try {
    const to = socketAddress(address);
    if (libc().connect(fd, to, to.length) < 0) {
      const code = errno();
      if (code !== EINPROGRESS) throw failure(code, "connect", shown);
      await connected(fd, shown, options.timeout);
    }
    // A forwarded keystroke must not wait for the next one.
    libc().setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, new Uint8Array(new Int32Array([1]).buffer), 4);
    return asyncFd(fd);
  } catch (error) {
    poller.forget(fd);
    close(fd);
    throw error;
  }
}

async function connected(fd: number, shown: string, timeout: number): Promise<void> {
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    poller.forget(fd);
  }, timeout);
  try {
    await poller.writable(fd);
  } finally {
    clearTimeout(timer);
  }
  if (timedOut) throw failure(ETIMEDOUT, "connect", shown);
  const value = new Int32Array(1);
  const length = new Uint8Array(new Uint32Array([4]).buffer);
  if (libc().getsockopt(fd, SOL_SOCKET, SO_ERROR, new Uint8Array(value.buffer), length) < 0) {
    throw failure(errno(), "getsockopt", shown);
  }
  if (value[0] !== 0) throw failure(value[0], "connect", shown);
}
