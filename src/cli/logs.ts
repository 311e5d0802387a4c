import { Command, InvalidArgumentError } from "commander";
import { ContainerState } from "../../proto/gen/runtime/v1/api.ts";
import { type Daemon, type DaemonOptions, withDaemon, withDaemonOptions } from "./client.ts";
import { Exit, EXIT_FAILURE } from "./exit.ts";
import { findContainer } from "./find.ts";
import { type LogLine, LogReader } from "./log_reader.ts";
import { LogSource } from "./log_source.ts";
import { kernel } from "../sys/mod.ts";
import type { Terminal } from "./terminal.ts";

interface Options extends DaemonOptions {
  follow?: boolean;
  tail: number;
  timestamps?: boolean;
}

/** Milliseconds between two looks at the end of the file while following. */
const FOLLOW_INTERVAL = 250;

/** `skiff logs` */
export function command(terminal: Terminal): Command {
  return withDaemonOptions(new Command("logs"))
    .summary("print the log of a container")
    .description(
      "Prints what a container wrote: its standard output to standard output, its standard error to standard error. " +
        "Reads the log file that the kubelet reads, so it needs the rights to do so.",
    )
    .argument("<CONTAINER>", "ID, beginning of an ID, or name")
    .option("-f, --follow", "Go on with new lines until the container ends.")
    .option("--tail <N>", "Only the last N lines of what is there.", lineCount, Infinity)
    .option("-t, --timestamps", "Begin each line with its time.")
    .action((container: string, options: Options) =>
      withDaemon(options, (daemon) => showLog(terminal, daemon, container, options))
    );
}

async function showLog(terminal: Terminal, daemon: Daemon, word: string, options: Options): Promise<void> {
  const { id } = await findContainer(daemon, word);
  const path = (await statusOf(daemon, id)).logPath;
  if (path === "") throw new Exit(EXIT_FAILURE, `the request that made ${word} named no log path: there is no log`);
  using source = new LogSource(kernel, path);
  const reader = new LogReader();
  const print = (line: LogLine) => printLine(terminal, line, options);
  lastOf(reader.push(source.read()), options.tail).forEach(print);
  while (options.follow) {
    // The state is asked for before the file is read: what the container wrote last is then still seen.
    const running = (await statusOf(daemon, id)).state === ContainerState.CONTAINER_RUNNING;
    for (const line of reader.push(source.read())) print(line);
    if (!running) break;
    await new Promise((resolve) => setTimeout(resolve, FOLLOW_INTERVAL));
  }
  for (const line of reader.rest()) print(line);
}

async function statusOf({ runtime }: Daemon, containerId: string) {
  const { status } = await runtime.containerStatus({ containerId, verbose: false });
  if (!status) throw new Exit(EXIT_FAILURE, `the daemon gave no status for the container ${containerId}`);
  return status;
}

function printLine(terminal: Terminal, { time, stream, text }: LogLine, options: Options): void {
  const line = options.timestamps ? `${time} ${text}` : text;
  if (options.json) terminal.out(`${JSON.stringify({ time, stream, text })}\n`);
  else if (stream === "stderr") terminal.err(line);
  else terminal.out(line);
}

function lastOf(lines: Iterable<LogLine>, count: number): LogLine[] {
  const kept: LogLine[] = [];
  for (const line of lines) {
    kept.push(line);
    if (kept.length > count) kept.shift();
  }
  return kept;
}

function lineCount(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError("It is a whole number, 0 or more.");
  return value;
}
