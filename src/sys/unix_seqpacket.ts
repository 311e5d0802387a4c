import { O_CLOEXEC, O_DIRECTORY, O_NONBLOCK, O_PATH } from "./constants.ts";
import { close, open } from "./descriptors.ts";
import { ENAMETOOLONG, failure } from "./errno.ts";
import { errno, libc } from "./libc_symbols.ts";

const AF_UNIX = 1;
const SOCK_SEQPACKET = 5;
/** sun_path without its NUL. */
const PATH_BYTES = 107;
const SHUT_WR = 1;

const encoder = new TextEncoder();

function address(path: string): Uint8Array<ArrayBuffer> {
  const bytes = encoder.encode(path);
  if (bytes.length > PATH_BYTES) throw failure(ENAMETOOLONG, "connect", path);
  const buffer = new Uint8Array(2 + PATH_BYTES + 1);
  buffer[0] = AF_UNIX;
  buffer.set(bytes, 2);
  return buffer;
}

/**
 * Connects to a listening SOCK_SEQPACKET socket: one read or write is one packet. A path too long for a socket address
 * is reached through its folder. Returns a non-blocking descriptor for {@link asyncFd}; the caller closes it.
 */
export function connectSeqpacket(path: string): number {
  if (encoder.encode(path).length <= PATH_BYTES) return connectTo(path, path);
  const slash = path.lastIndexOf("/");
  const folder = open(path.slice(0, slash) || "/", O_PATH | O_DIRECTORY);
  try {
    return connectTo(`/proc/self/fd/${folder}/${path.slice(slash + 1)}`, path);
  } finally {
    close(folder);
  }
}

function connectTo(path: string, shown: string): number {
  const to = address(path);
  const fd = libc().socket(AF_UNIX, SOCK_SEQPACKET | O_CLOEXEC | O_NONBLOCK, 0);
  if (fd < 0) throw failure(errno(), "socket", `for ${shown}`);
  if (libc().connect(fd, to, to.length) < 0) {
    const code = errno();
    close(fd);
    throw failure(code, "connect", shown);
  }
  return fd;
}

/** The other end of the socket reads an end of file; reading from it goes on. */
export function shutdownWrite(fd: number): void {
  if (libc().shutdown(fd, SHUT_WR) < 0) throw failure(errno(), "shutdown", `descriptor ${fd}`);
}
