import { Command } from "commander";
import {
  changesBetween,
  configDocs,
  defaultConfig,
  formatOrigin,
  loadConfig,
  type LoadedConfig,
  printConfig,
  resolveConfig,
} from "../config/mod.ts";
import { asUsage, type ConfigOptions, loadOptions, withConfigOptions } from "./config_options.ts";
import { kernelFiles } from "./files.ts";
import { printJson } from "./print.ts";
import type { Terminal } from "./terminal.ts";

interface Options extends ConfigOptions {
  default?: boolean;
  diff?: boolean;
  docs?: boolean;
  json?: boolean;
}

/** `skiff config` */
export function command(terminal: Terminal): Command {
  return withConfigOptions(new Command("config"))
    .summary("print, compare, explain and check the configuration")
    .description(
      "Prints the configuration that `skiff serve` with the same options would use, as YAML that loads to the same again. " +
        "It reads files and asks no daemon.",
    )
    .option("--default", "Print the defaults instead, each with its explanation: a start for /etc/skiff/skiff.yaml.")
    .option("--diff", "Print only what differs from the defaults, and where it was set.")
    .option("--docs", "Print the reference of all keys, in Markdown.")
    .option("--json", "Print JSON.")
    .addHelpText(
      "after",
      `
Examples:
  skiff config --default > /etc/skiff/skiff.yaml    every key, explained
  skiff config --diff                               what this node sets, and where
  skiff config check /etc/skiff/skiff.yaml          before a restart
`,
    )
    .addCommand(checkCommand(terminal))
    .action(async (options: Options) => {
      if (options.docs) return terminal.out(configDocs());
      if (options.default) return printWhole(terminal, defaultConfig(), options, true);
      const files = await kernelFiles();
      const loaded = asUsage(() => loadConfig(files, loadOptions(options)));
      if (options.diff) return printDiff(terminal, loaded, options);
      printWhole(terminal, asUsage(() => resolveConfig(loaded, files.exists)), options, false);
    });
}

function checkCommand(terminal: Terminal): Command {
  return new Command("check")
    .summary("say what is wrong with a file")
    .description(
      "Reads FILE and the drop-ins in FILE.d and says everything that is wrong with them, by line and column. Exit code 2 if something is.",
    )
    .argument("[FILE]", "the file", "/etc/skiff/skiff.yaml")
    .action(async (file: string) => {
      const files = await kernelFiles();
      const loaded = asUsage(() => loadConfig(files, { file }));
      asUsage(() => resolveConfig(loaded, files.exists));
      terminal.out(`${loaded.files.join(", ")}: good\n`);
    });
}

function printWhole(terminal: Terminal, config: LoadedConfig["config"], options: Options, comments: boolean): void {
  if (options.json) printJson(terminal, config);
  else terminal.out(printConfig(config, { comments }));
}

function printDiff(terminal: Terminal, { config, origins }: LoadedConfig, options: Options): void {
  const changes = changesBetween(defaultConfig(), config).map((change) => ({
    ...change,
    origin: origins.get(change.key),
  }));
  if (options.json) return printJson(terminal, changes);
  for (const { key, from, to, origin } of changes) {
    const where = origin
      ? ` # ${formatOrigin(origin)}; default: ${from === undefined ? "none" : JSON.stringify(from)}`
      : "";
    terminal.out(`${key}: ${to === undefined ? "(taken away)" : JSON.stringify(to)}${where}\n`);
  }
}
