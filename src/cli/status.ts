import { Command } from "commander";
import { type DaemonOptions, withDaemon, withDaemonOptions } from "./client.ts";
import { Exit, EXIT_FAILURE } from "./exit.ts";
import { parseInfo, printJson, printTable } from "./print.ts";
import { readWork, showWork } from "./status_work.ts";
import type { Terminal } from "./terminal.ts";

/** `skiff status` */
export function command(terminal: Terminal): Command {
  return withDaemonOptions(new Command("status"))
    .summary("is the node ready, what runs on it, and what can it do")
    .description(
      "Shows the conditions that the kubelet sees, the runtime handlers, what runs and is pulled, the space that images and " +
        "containers take, and what the daemon found out about this node; " +
        "--json has all of it. " +
        "Exit code 1 if a condition isn't met.",
    )
    .action((options: DaemonOptions) => showStatus(terminal, options));
}

async function showStatus(terminal: Terminal, options: DaemonOptions): Promise<void> {
  const [version, answer, work] = await withDaemon(
    options,
    (daemon) =>
      Promise.all([
        daemon.runtime.version({ version: "v1" }),
        daemon.runtime.status({ verbose: true }),
        readWork(daemon),
      ]),
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
      ...work,
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
    showWork(terminal, work);
    const facts = Object.entries(info).flatMap(([key, value]) => shortFact(key, value));
    if (facts.length > 0) terminal.out(`\n${facts.join("\n")}\n`);
  }
  if (conditions.some(({ status }) => !status)) throw new Exit(EXIT_FAILURE);
}

/** A fact of one line: a plain value, or an object of plain values. --json has the long ones. */
function shortFact(key: string, value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [`${key}: ${value}`];
  const parts = Object.entries(value);
  if (parts.some(([, part]) => typeof part === "object")) return [];
  return [`${key}: ${parts.filter(([, part]) => part !== "").map(([name, part]) => `${name} ${part}`).join(", ")}`];
}

function yesNo(value: boolean | undefined): string {
  return value ? "yes" : "no";
}
