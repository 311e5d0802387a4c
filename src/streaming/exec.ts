import { messageOf } from "../rpc/status.ts";
import { type AsyncFd, asyncFd, type Kernel, openPty, pipe, resizePty } from "../sys/mod.ts";
import { OutputPump } from "./output_pump.ts";
import { exitStatus, internalError } from "./status.ts";
import { terminalSizes } from "./terminal_size.ts";
import type { ByteSource, ExecTarget, RemoteStreams, RunningCommand, Status } from "./types.ts";

/** Runs the command with the client as its input and output. When the client goes, the command is killed. Never rejects. */
export async function exec(kernel: Kernel, target: ExecTarget, streams: RemoteStreams, tty: boolean): Promise<Status> {
  try {
    const code = tty ? await onTerminal(target, streams) : await onPipes(kernel, target, streams);
    return exitStatus(code);
  } catch (error) {
    return internalError(`error executing command in container: ${messageOf(error)}`);
  }
}

async function onPipes(kernel: Kernel, target: ExecTarget, streams: RemoteStreams): Promise<number> {
  const open: number[] = [];
  const newPipe = () => {
    const ends = pipe();
    open.push(ends.read, ends.write);
    return ends;
  };
  let stdin: AsyncFd | undefined;
  let stdout: AsyncFd;
  let stderr: AsyncFd;
  let command: RunningCommand;
  try {
    const input = streams.stdin && newPipe();
    const output = newPipe();
    const errors = newPipe();
    stdin = input && asyncFd(input.write);
    stdout = asyncFd(output.read);
    stderr = asyncFd(errors.read);
    const theirs = [...(input ? [input.read] : []), output.write, errors.write];
    for (const fd of theirs) kernel.fchown(fd, target.uid, target.gid);
    const fds: Record<number, number> = { 1: output.write, 2: errors.write };
    if (input) fds[0] = input.read;
    command = target.start({ fds });
    for (const fd of theirs) kernel.close(fd);
  } catch (error) {
    for (const fd of open) kernel.close(fd);
    throw error;
  }
  const outputs = [
    new OutputPump({ source: stdout, sink: streams.stdout, command, holdBack: false }),
    new OutputPump({ source: stderr, sink: streams.stderr, command, holdBack: true }),
  ];
  if (streams.stdin && stdin) feed(streams.stdin, stdin, () => stdin.close());
  return await untilEnd(command, streams, outputs, () => stdin?.close());
}

async function onTerminal(target: ExecTarget, streams: RemoteStreams): Promise<number> {
  const { master, tty } = openPty();
  const terminal = new Terminal(master);
  let command: RunningCommand;
  try {
    command = target.start({ tty });
  } catch (error) {
    terminal.close();
    throw error;
  }
  const output = new OutputPump({ source: terminal, sink: streams.stdout, command, holdBack: true });
  // The end of the input is no end of a terminal: there is always somebody who could type.
  if (streams.stdin) feed(streams.stdin, terminal, () => {});
  if (streams.resize) followSize(streams.resize, terminal);
  return await untilEnd(command, streams, [output], () => {});
}

async function untilEnd(
  command: RunningCommand,
  streams: RemoteStreams,
  outputs: OutputPump[],
  closeInput: () => void,
): Promise<number> {
  streams.gone.then(() => command.kill());
  try {
    return await command.ended;
  } finally {
    streams.stdin?.discard();
    streams.resize?.discard();
    closeInput();
    await Promise.all(outputs.map(({ done }) => done));
  }
}

async function feed(source: ByteSource, input: AsyncFd, atEnd: () => void): Promise<void> {
  try {
    for (let bytes; (bytes = await source.read()) !== null;) await input.write(bytes);
    atEnd();
  } catch {
    // The command does not read on, or has ended: what the client still sends is dropped, as a shell's pipe would.
    source.discard();
    atEnd();
  }
}

async function followSize(source: ByteSource, terminal: Terminal): Promise<void> {
  for await (const { rows, columns } of terminalSizes(source)) terminal.resize(rows, columns);
}

/** Our end of a pty; a size that comes after it was closed must not reach whatever has its number now. */
class Terminal implements AsyncFd {
  readonly #end: AsyncFd;
  #closed = false;

  constructor(readonly fd: number) {
    this.#end = asyncFd(fd);
  }

  read(into: Uint8Array): Promise<number | null> {
    return this.#end.read(into);
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#end.write(bytes);
  }

  resize(rows: number, columns: number): void {
    if (!this.#closed) resizePty(this.fd, rows, columns);
  }

  close(): void {
    this.#closed = true;
    this.#end.close();
  }
}
