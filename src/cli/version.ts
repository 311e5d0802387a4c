import { Command } from "commander";
import type { VersionResponse } from "../../proto/gen/runtime/v1/api.ts";
import { build } from "../config/mod.ts";
import { messageOf } from "../rpc/status.ts";
import { type DaemonOptions, withDaemon, withDaemonOptions } from "./client.ts";
import { permissionFlags, permissions } from "./permissions.ts";
import { printJson } from "./print.ts";
import type { Terminal } from "./terminal.ts";

/** Milliseconds; a daemon that is up answers in one. */
const PATIENCE = 2_000;

interface Options extends DaemonOptions {
  permissions?: boolean;
  client?: boolean;
}

/** `skiff version` */
export function command(terminal: Terminal): Command {
  return withDaemonOptions(new Command("version"))
    .summary("versions of this binary and of the daemon")
    .description(
      "Shows the version of this binary and, if one answers on the socket, of the daemon. Exit code 0 either way.",
    )
    .option("--client", "Only this binary; don't ask the daemon.")
    .option("--permissions", "Show what the binary was compiled to be allowed to do, as Deno flags.")
    .action((options: Options) =>
      options.permissions ? showPermissions(terminal, options) : showVersions(terminal, options)
    );
}

function showPermissions(terminal: Terminal, options: Options): void {
  if (options.json) printJson(terminal, permissions);
  else terminal.out(permissionFlags().map((flag) => `${flag}\n`).join(""));
}

async function showVersions(terminal: Terminal, options: Options): Promise<void> {
  const client = { version: build.version, commit: build.commit, deno: Deno.version.deno };
  if (!options.json) terminal.out(`skiff ${client.version} (${client.commit}), Deno ${client.deno}\n`);
  const daemon = options.client ? undefined : await daemonVersion(options);
  if (options.json) printJson(terminal, { client, daemon });
  else if (daemon) terminal.out(`daemon: ${"unreachable" in daemon ? daemon.unreachable : versionLine(daemon)}\n`);
}

function versionLine({ runtimeName, runtimeVersion, runtimeApiVersion }: VersionResponse): string {
  return `${runtimeName} ${runtimeVersion}, CRI ${runtimeApiVersion}`;
}

async function daemonVersion(options: DaemonOptions): Promise<VersionResponse | { unreachable: string }> {
  try {
    return await withDaemon(options, ({ runtime }) => runtime.version({ version: "v1" }, { timeout: PATIENCE }));
  } catch (error) {
    return { unreachable: messageOf(error) };
  }
}
