import { Command } from "commander";
import { type DaemonOptions, withDaemon, withDaemonOptions } from "../client.ts";
import { findPod } from "../find.ts";
import { timestamp } from "../format.ts";
import { parseInfo, printJson } from "../print.ts";
import { containerStateWord, podStateWord } from "../states.ts";
import type { Terminal } from "../terminal.ts";

/** `skiff pod inspect` */
export function inspectCommand(terminal: Terminal): Command {
  return withDaemonOptions(new Command("inspect"))
    .summary("everything about a pod, as JSON")
    .description(
      "Prints the pod's status, the statuses of its containers, and what the daemon keeps about it, as JSON.",
    )
    .argument("<POD>", "ID, beginning of an ID, name, or namespace/name")
    .action((word: string, options: DaemonOptions) => inspectPod(terminal, word, options));
}

async function inspectPod(terminal: Terminal, word: string, options: DaemonOptions): Promise<void> {
  const { pod, containers } = await withDaemon(options, async (daemon) => {
    const { id } = await findPod(daemon, word);
    const [pod, { containers }] = await Promise.all([
      daemon.runtime.podSandboxStatus({ podSandboxId: id, verbose: true }),
      daemon.runtime.listContainers({ filter: { id: "", state: undefined, podSandboxId: id, labelSelector: {} } }),
    ]);
    return { pod, containers };
  });
  const status = pod.status &&
    { ...pod.status, state: podStateWord(pod.status.state), createdAt: timestamp(pod.status.createdAt) };
  printJson(terminal, {
    status,
    containers: containers.map((container) => ({
      ...container,
      state: containerStateWord(container.state),
      createdAt: timestamp(container.createdAt),
    })),
    info: parseInfo(pod.info),
  });
}
