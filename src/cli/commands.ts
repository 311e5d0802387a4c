import type { Command } from "commander";
import type { Terminal } from "./terminal.ts";

/** What each command's file exports: its arguments, options, help and action. */
export interface CommandModule {
  command(terminal: Terminal): Command;
}

export type CommandLoader = () => Promise<CommandModule>;

/** Every command word, in the order of the help. Each is a chunk of its own in the binary: a command loads only itself. */
export const commands: Readonly<Record<string, CommandLoader>> = {
  serve: () => import("./serve.ts"),
  status: () => import("./status.ts"),
  pod: () => import("./pod/mod.ts"),
  ps: () => import("./ps.ts"),
  logs: () => import("./logs.ts"),
  exec: () => import("./exec.ts"),
  image: () => import("./image/mod.ts"),
  check: () => import("./check.ts"),
  jobs: () => import("./jobs.ts"),
  config: () => import("./config.ts"),
  version: () => import("./version.ts"),
  completion: () => import("./completion.ts"),
};

/**
 * Words by which the daemon starts a second process of its own file. They take no options, have no help, and must not load
 * anything that loads libc.
 */
export const hiddenCommands: Readonly<Record<string, () => Promise<{ main(args: string[]): Promise<number> }>>> = {
  __checkpoint: () => import("../pods/checkpoint_child.ts"),
  __fetch: () => import("../images/fetch_child.ts"),
  __parse: () => import("../images/parse_child.ts"),
  __index: () => import("../images/transfer/index_child.ts"),
  __unpack: () => import("../images/unpack/unpack_child.ts"),
  __compare: () => import("../images/unpack/compare_child.ts"),
  __export: () => import("../images/transfer/export_child.ts"),
  __images: () => import("../images/serving/serve_child.ts"),
  __store: () => import("../images/additional_child.ts"),
  __verify: () => import("../images/trust/verify_child.ts"),
};
