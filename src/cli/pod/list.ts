import { Command, Option } from "commander";
import { PodSandboxState } from "../../../proto/gen/runtime/v1/api.ts";
import { withDaemon, withDaemonOptions } from "../client.ts";
import { age, shortId } from "../format.ts";
import { collectLabels, type ListOptions, withListOptions } from "../list_options.ts";
import { printJson, printTable } from "../print.ts";
import { POD_STATES, podStateWord } from "../states.ts";
import type { Terminal } from "../terminal.ts";

interface Options extends ListOptions {
  namespace?: string;
  state?: (typeof POD_STATES)[number];
  label?: Record<string, string>;
}

/** `skiff pod ls` */
export function listCommand(terminal: Terminal): Command {
  return withDaemonOptions(withListOptions(new Command("ls")))
    .summary("list pods")
    .description("Lists pods, youngest first.")
    .option("-n, --namespace <NAMESPACE>", "Only those of one Kubernetes namespace.")
    .addOption(new Option("--state <STATE>", "Only those in one state.").choices(POD_STATES))
    .option("-l, --label <KEY=VALUE>", "Only those with this label; may be given many times.", collectLabels)
    .action((options: Options) => listPods(terminal, options));
}

async function listPods(terminal: Terminal, options: Options): Promise<void> {
  const state = options.state &&
    { state: options.state === "ready" ? PodSandboxState.SANDBOX_READY : PodSandboxState.SANDBOX_NOTREADY };
  const { items } = await withDaemon(
    options,
    ({ runtime }) => runtime.listPodSandbox({ filter: { id: "", state, labelSelector: options.label ?? {} } }),
  );
  const pods = items
    .filter((pod) => options.namespace === undefined || pod.metadata?.namespace === options.namespace)
    .sort((a, b) => Number(b.createdAt - a.createdAt));
  if (options.json) return printJson(terminal, pods.map((pod) => ({ ...pod, state: podStateWord(pod.state) })));
  if (options.quiet) return terminal.out(pods.map((pod) => `${pod.id}\n`).join(""));
  printTable(
    terminal,
    ["pod", "namespace", "name", "state", "age", "attempt", "runtime"],
    pods.map((pod) => [
      shortId(pod.id, !options.trunc),
      pod.metadata?.namespace ?? "",
      pod.metadata?.name ?? "",
      podStateWord(pod.state),
      age(pod.createdAt),
      String(pod.metadata?.attempt ?? 0),
      pod.runtimeHandler || "(default)",
    ]),
  );
}
