import { messageOf } from "../rpc/status.ts";
import { type AsyncFd, asyncFd, enlargePipe, type Kernel, pipe } from "../sys/mod.ts";
import { OutputPump } from "./output_pump.ts";
import { exitStatus, internalError } from "./status.ts";
import { type TerminalSize, terminalSizes } from "./terminal_size.ts";
import type { ByteSource, ExecTarget, RemoteStreams, RunningCommand, Status, Terminal } from "./types.ts";

const PIPE_BYTES = 1 << 20;

/** Milliseconds that the start of a command on a terminal waits for the terminal's size: kubectl sends it with the first bytes. */
const FIRST_SIZE_WAIT = 100;

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
    enlargePipe(ends.read, PIPE_BYTES);
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
    command = await target.start({ fds });
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
  const sizes = streams.resize && terminalSizes(streams.resize);
  // A program that asks for the size only when it starts must find the right one.
  const first = sizes?.next();
  const size = await Promise.race([first?.then(({ value }) => value), afterMilliseconds(FIRST_SIZE_WAIT)]) || undefined;
  const { command, terminal } = await target.startOnTerminal(size);
  const output = new OutputPump({ source: terminal, sink: streams.stdout, command, holdBack: true });
  // The end of the input is no end of a terminal: there is always somebody who could type.
  if (streams.stdin) feed(streams.stdin, terminal, () => {});
  if (sizes && first) followSize(first, sizes, terminal);
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

async function feed(source: ByteSource, input: Pick<AsyncFd, "write">, atEnd: () => void): Promise<void> {
  try {
    for (let bytes; (bytes = await source.read()) !== null;) await input.write(bytes);
    atEnd();
  } catch {
    // The command does not read on, or has ended: what the client still sends is dropped, as a shell's pipe would.
    source.discard();
    atEnd();
  }
}

async function followSize(
  first: Promise<IteratorResult<TerminalSize, void>>,
  rest: AsyncGenerator<TerminalSize, void>,
  terminal: Terminal,
): Promise<void> {
  try {
    for (let next = await first; !next.done; next = await rest.next()) {
      terminal.resize(next.value.rows, next.value.columns);
    }
  } catch {
    // The command is just ending: its terminal is no more.
  }
}

function afterMilliseconds(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
