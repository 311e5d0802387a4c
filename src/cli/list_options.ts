import type { Command } from "commander";
import { Exit, EXIT_USAGE } from "./exit.ts";
import type { DaemonOptions } from "./client.ts";

/** Options of the commands that print a list of things with IDs. */
export interface ListOptions extends DaemonOptions {
  quiet?: boolean;
  trunc: boolean;
}

export function withListOptions(command: Command): Command {
  return command
    .option("-q, --quiet", "Print whole IDs only, one a line.")
    .option("--no-trunc", "Print whole IDs.");
}

/** `-l key=value`, given once or many times, for commander. */
export function collectLabels(text: string, before: Record<string, string> = {}): Record<string, string> {
  const equals = text.indexOf("=");
  if (equals < 1) throw new Exit(EXIT_USAGE, `--label ${text}: is not KEY=VALUE`);
  return { ...before, [text.slice(0, equals)]: text.slice(equals + 1) };
}
