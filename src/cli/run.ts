import { Command, CommanderError } from "commander";
import { type CommandLoader, type CommandModule, commands } from "./commands.ts";
import { Exit, EXIT_FAILURE, EXIT_OK, EXIT_USAGE } from "./exit.ts";
import { messageOf } from "../rpc/status.ts";
import { OutputClosed, processTerminal, type Terminal } from "./terminal.ts";

/**
 * Runs one command with `args` (the command word first) and returns the exit code. Without a loader (no word, an unknown one, --help)
 * every command is loaded, for the help and for the nearest name.
 */
export async function runCommand(
  load: CommandLoader | undefined,
  args: string[],
  terminal: Terminal = processTerminal(),
): Promise<number> {
  const known = load ? [await load()] : await loadAll();
  try {
    await rootCommand(known, terminal).parseAsync(args, { from: "user" });
    return EXIT_OK;
  } catch (error) {
    return exitCodeOf(error, terminal);
  }
}

/** The whole tree of commands: what help, completion and docs/commands.md are made from. */
export async function wholeTree(terminal: Terminal): Promise<Command> {
  return rootCommand(await loadAll(), terminal);
}

function loadAll(): Promise<CommandModule[]> {
  return Promise.all(Object.values(commands).map((load) => load()));
}

function rootCommand(modules: CommandModule[], terminal: Terminal): Command {
  const root = new Command("skiff")
    .description("Kubernetes node runtime: serves CRI v1 on a unix socket and runs pods with runc or crun.")
    .usage("COMMAND [OPTION…]")
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .showHelpAfterError("Try: skiff --help")
    .addHelpText("after", HELP_FOOT);
  for (const module of modules) root.addCommand(module.command(terminal));
  prepare(root, terminal);
  return root;
}

/** Settings that commander doesn't hand down to commands made elsewhere. */
function prepare(command: Command, terminal: Terminal): void {
  command
    .exitOverride()
    .helpCommand(false)
    .helpOption("-h, --help", "Show this help.")
    .configureHelp({ helpWidth: Math.min(terminal.columns, 100), sortOptions: false })
    .configureOutput({
      writeOut: (text) => terminal.out(text),
      writeErr: (text) => terminal.err(text),
      getOutHelpWidth: () => Math.min(terminal.columns, 100),
      getErrHelpWidth: () => Math.min(terminal.columns, 100),
    });
  for (const child of command.commands) prepare(child, terminal);
}

function exitCodeOf(error: unknown, terminal: Terminal): number {
  if (error instanceof OutputClosed) return EXIT_OK;
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
  if (error instanceof Exit) {
    if (error.message !== "") terminal.err(`skiff: ${error.message}\n`);
    return error.code;
  }
  terminal.err(`skiff: ${messageOf(error)}\n`);
  return EXIT_FAILURE;
}

const HELP_FOOT = `
Files:
  /etc/skiff/skiff.yaml             configuration; see \`skiff config --docs\`
  /etc/skiff/skiff.yaml.d/*.yaml    drop-ins, read in the order of their names
  /run/skiff/skiff.sock             CRI v1 and the admin service
  /var/lib/skiff                    images and the store

Environment:
  SKIFF_SOCKET    the socket that commands talk to, when --socket is not given

Exit codes:
  0  done    1  failed    2  wrong arguments or configuration    3  nobody answers on the socket
  skiff exec ends with the exit code of the command it ran.
`;
