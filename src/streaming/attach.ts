import type { Logger } from "../observe/types.ts";
import { messageOf } from "../rpc/status.ts";
import { type AsyncFd, asyncFd, connectSeqpacket, shutdownWrite } from "../sys/mod.ts";
import { internalError, SUCCESS } from "./status.ts";
import { terminalSizes } from "./terminal_size.ts";
import type { AttachTarget, ByteSink, ByteSource, RemoteStreams, Status } from "./types.ts";

/** First byte of conmon's packets. */
const FROM_STDOUT = 2;
const FROM_STDERR = 3;
/** conmon's packets are at most 32 KiB and the byte in front. */
const PACKET_BYTES = (32 << 10) + 1;
/** conmon silently loses what is in a packet beyond 32 KiB; this size moves the most per second. */
const INPUT_BYTES = 8 << 10;

/** Joins the client to the container's own streams until the container ends or the client goes. Never rejects. */
export async function attach(target: AttachTarget, streams: RemoteStreams, logger: Logger): Promise<Status> {
  let socket: AttachSocket;
  try {
    socket = new AttachSocket(target.socket);
  } catch (error) {
    return internalError(`error attaching to container: cannot reach its monitor: ${messageOf(error)}`);
  }
  streams.gone.then(() => socket.close());
  if (streams.stdin) feed(streams.stdin, socket);
  if (streams.resize) followSize(streams.resize, target, logger);
  try {
    await copyOutput(socket, streams);
    return SUCCESS;
  } catch (error) {
    return internalError(`error attaching to container: ${messageOf(error)}`);
  } finally {
    streams.stdin?.discard();
    streams.resize?.discard();
    socket.close();
  }
}

async function copyOutput(socket: AttachSocket, streams: RemoteStreams): Promise<void> {
  const sinks: Record<number, ByteSink | undefined> = { [FROM_STDOUT]: streams.stdout, [FROM_STDERR]: streams.stderr };
  const buffer = new Uint8Array(PACKET_BYTES);
  for (let count; (count = await socket.read(buffer)) !== null;) {
    const from = buffer[0];
    try {
      await sinks[from]?.write(buffer.subarray(1, count));
    } catch {
      // The client takes no more of this one; if it has gone, the socket is closed and the next read ends.
      sinks[from] = undefined;
    }
  }
}

async function feed(source: ByteSource, socket: AttachSocket): Promise<void> {
  try {
    for (let bytes; (bytes = await source.read()) !== null;) {
      for (let offset = 0; offset < bytes.length; offset += INPUT_BYTES) {
        await socket.write(bytes.subarray(offset, offset + INPUT_BYTES));
      }
    }
    // Whether the container's own input ends with it is conmon's to know (stdin_once).
    socket.endInput();
  } catch {
    source.discard();
  }
}

async function followSize(source: ByteSource, target: AttachTarget, logger: Logger): Promise<void> {
  for await (const { rows, columns } of terminalSizes(source)) {
    try {
      await target.resize(rows, columns);
    } catch (error) {
      logger.debug("a terminal could not be resized", { error });
      return source.discard();
    }
  }
}

/** Our end of conmon's socket; an end of input that comes after it was closed must not reach whatever has its number now. */
class AttachSocket {
  readonly #end: AsyncFd;
  #closed = false;

  constructor(path: string) {
    this.#end = asyncFd(connectSeqpacket(path));
  }

  read(into: Uint8Array): Promise<number | null> {
    return this.#end.read(into);
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#end.write(bytes);
  }

  endInput(): void {
    if (!this.#closed) shutdownWrite(this.#end.fd);
  }

  close(): void {
    this.#closed = true;
    this.#end.close();
  }
}
