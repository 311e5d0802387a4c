import type { Command } from "commander";
import { ConfigError, type LoadOptions } from "../config/mod.ts";
import { Exit, EXIT_USAGE } from "./exit.ts";

/** Options of the commands that load the configuration. */
export interface ConfigOptions {
  config?: string;
  set?: string[];
  root?: string;
  state?: string;
  listen?: string;
  logLevel?: string;
  logFormat?: string;
  runtime?: string;
  cniConfigDir?: string;
}

/** Short options and the key that each sets. */
const SHORTHANDS = {
  root: "root",
  state: "state",
  listen: "socket",
  logLevel: "log.level",
  logFormat: "log.format",
  runtime: "defaultRuntime",
  cniConfigDir: "cni.configDir",
} as const satisfies Partial<Record<keyof ConfigOptions, string>>;

export function withConfigOptions(command: Command): Command {
  return command
    .option("-c, --config <FILE>", "Read FILE and FILE.d/*.yaml instead of /etc/skiff/skiff.yaml and its drop-ins.")
    .option(
      "--set <KEY=VALUE>",
      "Set any key, as in --set cni.timeoutSeconds=30; may be given many times.",
      collect,
    )
    .option("--listen <PATH>", "The CRI socket to serve (key socket).")
    .option("--root <DIR>", "Folder of images and the store (key root).")
    .option("--state <DIR>", "Folder of what dies with power (key state).")
    .option("--runtime <NAME>", "The default runtime (key defaultRuntime).")
    .option("--cni-config-dir <DIR>", "Folder of CNI configurations (key cni.configDir).")
    .option("--log-level <LEVEL>", "Write lines from this level on: debug, info, warn or error (key log.level).")
    .option("--log-format <FORMAT>", "Write text or json (key log.format).");
}

export function loadOptions(options: ConfigOptions): LoadOptions {
  const shorthands = Object.entries(SHORTHANDS).flatMap(([name, key]) => {
    const value = options[name as keyof typeof SHORTHANDS];
    return value === undefined ? [] : [`${key}=${value}`];
  });
  return { file: options.config, settings: [...options.set ?? [], ...shorthands] };
}

/** Runs a step of loading; a configuration that is wrong ends the command with its messages and exit code 2. */
export function asUsage<T>(step: () => T): T {
  try {
    return step();
  } catch (error) {
    if (error instanceof ConfigError) throw new Exit(EXIT_USAGE, `the configuration is wrong:\n${error.message}`);
    throw error;
  }
}

function collect(value: string, before: string[] = []): string[] {
  return [...before, value];
}
