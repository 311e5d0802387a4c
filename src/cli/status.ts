import { Command } from "commander";
import { type DaemonOptions, withDaemon, withDaemonOptions } from "./client.ts";
import { Exit, EXIT_FAILURE } from "./exit.ts";
import { parseInfo, printJson, printTable } from "./print.ts";
import type { Terminal } from "./terminal.ts";

/** `skiff status` */
export function command(terminal: Terminal): Command {
  return withDaemonOptions(new Command("status"))
    .summary("is the node ready, and what can it do")
    .description(
      "Shows the conditions that the kubelet sees, the runtime handlers, and what the daemon found out about this node. " +
        "Exit code 1 if a condition isn't met.",
    )
    .action((options: DaemonOptions) => showStatus(terminal, options));
}

async function showStatus(terminal: Terminal, options: DaemonOptions): Promise<void> {
  const [version, answer] = await withDaemon(
    options,
    ({ runtime }) => Promise.all([runtime.version({ version: "v1" }), runtime.status({ verbose: true })]),
  );
  const conditions = answer.status?.conditions ?? [];
  const info = parseInfo(answer.info);
  if (options.json) {
    printJson(terminal, {
      version,
      conditions,
      runtimeHandlers: answer.runtimeHandlers,
      features: answer.features,
      info,
    });
  } else {
    terminal.out(
      `${version.runtimeName} ${version.runtimeVersion}, CRI ${version.runtimeApiVersion}, at ${options.socket}\n\n`,
    );
    const condition = conditions.map((
      { type, status, reason, message },
    ) => [type, status ? "yes" : "no", [reason, message].filter(Boolean).join(": ")]);
    printTable(terminal, ["condition", "met", "why"], condition);
    terminal.out("\n");
    const handlers = answer.runtimeHandlers.map(({ name, features }) => [
      name || "(default)",
      yesNo(features?.recursiveReadOnlyMounts),
      yesNo(features?.userNamespaces),
    ]);
    printTable(terminal, ["runtime handler", "recursive read-only", "user namespaces"], handlers);
    for (const [key, value] of Object.entries(info)) {
      terminal.out(`\n${key}: ${typeof value === "string" ? value : JSON.stringify(value, null, 2)}\n`);
    }
  }
  if (conditions.some(({ status }) => !status)) throw new Exit(EXIT_FAILURE);
}

function yesNo(value: boolean | undefined): string {
  return value ? "yes" : "no";
}
