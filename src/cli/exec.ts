import { Command, InvalidArgumentError } from "commander";
import { type DaemonOptions, withDaemon, withDaemonOptions } from "./client.ts";
import { Exit } from "./exit.ts";
import { findContainer } from "./find.ts";
import { printJson } from "./print.ts";
import type { Terminal } from "./terminal.ts";

interface Options extends DaemonOptions {
  sync?: boolean;
  timeout: number;
}

/** Seconds that the call may take on top of the command's own limit. */
const MARGIN = 10;

/** `skiff exec` */
export function command(terminal: Terminal): Command {
  return withDaemonOptions(new Command("exec"))
    .summary("run a command in a container")
    .description(
      "Runs a command in a running container and prints what it wrote once it has ended. No standard input and no terminal. " +
        "Ends with the command's exit code.",
    )
    .argument("<CONTAINER>", "ID, beginning of an ID, or name")
    .argument("<COMMAND...>", "the program and its arguments; options after it are its own")
    .option("-s, --sync", "Wait for the end, then print: the only way so far, so it may be left out.")
    .option("--timeout <SECONDS>", "Kill the command after this long; 0: never.", seconds, 0)
    .addHelpText(
      "after",
      `
Examples:
  skiff exec web cat /etc/hostname
  skiff exec -s 3f2a91 sh -c 'ls -l /proc/self/fd'
`,
    )
    .passThroughOptions()
    .action((container: string, words: string[], options: Options) => execute(terminal, container, words, options));
}

async function execute(terminal: Terminal, word: string, cmd: string[], options: Options): Promise<void> {
  const patience = options.timeout === 0 ? undefined : (options.timeout + MARGIN) * 1000;
  const { stdout, stderr, exitCode } = await withDaemon(options, async (daemon) => {
    const { id } = await findContainer(daemon, word);
    return daemon.runtime.execSync({ containerId: id, cmd, timeout: BigInt(options.timeout) }, { timeout: patience });
  });
  const text = new TextDecoder();
  if (options.json) {
    printJson(terminal, { stdout: text.decode(stdout), stderr: text.decode(stderr), exitCode });
  } else {
    terminal.out(text.decode(stdout));
    terminal.err(text.decode(stderr));
  }
  if (exitCode !== 0) throw new Exit(exitCode);
}

function seconds(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) {
    throw new InvalidArgumentError("It is a whole number of seconds, 0 or more.");
  }
  return value;
}
