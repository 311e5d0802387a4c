import { messageOf } from "../rpc/status.ts";
import { type AsyncFd, connectLoopback, Errno, shutdownWrite } from "../sys/mod.ts";
import type { ByteSink, ByteSource, PortForwardTarget } from "./types.ts";

const BUFFER_BYTES = 64 << 10;
/** Milliseconds; loopback answers at once, or its queue is full. */
const CONNECT_TIMEOUT = 10_000;

/** One forwarded connection, seen from us. */
export interface ForwardStream extends ByteSource, ByteSink {
  /** `callback` is called when the client has reset it or has gone; at once when that is so already. */
  onAbort(callback: () => void): void;
}

/**
 * Connects to the port on `localhost` inside the pod and copies both ways until both have ended. Rejects, with a message
 * for the user, only when nothing answers there.
 */
export async function forward(target: PortForwardTarget, port: number, stream: ForwardStream): Promise<void> {
  const socket = await connect(target, port);
  let open = true;
  const close = () => {
    open = false;
    socket.close();
  };
  stream.onAbort(close);
  const toPod = async () => {
    try {
      for (let bytes; (bytes = await stream.read()) !== null;) await socket.write(bytes);
      if (open) shutdownWrite(socket.fd);
    } catch {
      // The program in the pod reads no more; what it still writes goes through.
      stream.discard();
    }
  };
  await Promise.all([toPod(), toClient(socket, stream)]);
  close();
}

async function toClient(socket: AsyncFd, stream: ForwardStream): Promise<void> {
  const buffer = new Uint8Array(BUFFER_BYTES);
  try {
    for (let count; (count = await socket.read(buffer)) !== null;) await stream.write(buffer.subarray(0, count));
  } catch {
    // Reset by the program in the pod, or the client has gone: either way nothing more comes from here.
    socket.close();
    stream.discard();
  }
  await stream.end().catch(() => {});
}

async function connect({ id, netns }: PortForwardTarget, port: number): Promise<AsyncFd> {
  const failures: string[] = [];
  for (const family of ["ipv4", "ipv6"] as const) {
    try {
      return await connectLoopback({ family, port }, { netns, timeout: CONNECT_TIMEOUT });
    } catch (error) {
      const cause = error instanceof Errno ? error.text : messageOf(error);
      failures.push(`${family === "ipv4" ? "127.0.0.1" : "::1"}: ${cause}`);
    }
  }
  const where = netns === undefined ? "the host's network namespace" : `namespace ${JSON.stringify(netns)}`;
  throw new Error(
    `failed to connect to localhost:${port} inside ${where}, pod sandbox ${id}: ${failures.join("; ")}`,
  );
}

const encoder = new TextEncoder();

/** Forwards, and tells the client on the error stream why it could not. Never rejects. */
export async function forwardOrTell(
  target: () => PortForwardTarget | Promise<PortForwardTarget>,
  port: number,
  data: ForwardStream,
  errors: ByteSink,
): Promise<void> {
  try {
    await forward(await target(), port, data);
  } catch (error) {
    await errors.write(encoder.encode(`error forwarding port ${port}: ${messageOf(error)}`)).catch(() => {});
    data.discard();
    await data.end().catch(() => {});
  } finally {
    await errors.end().catch(() => {});
  }
}

/** A port number, or undefined. */
export function parsePort(text: string): number | undefined {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65_535 ? port : undefined;
}
