import { Command, Option } from "commander";
import { type Container, ContainerState, type PodSandbox } from "../../proto/gen/runtime/v1/api.ts";
import { withDaemon, withDaemonOptions } from "./client.ts";
import { findPod } from "./find.ts";
import { age, shortId } from "./format.ts";
import { collectLabels, type ListOptions, withListOptions } from "./list_options.ts";
import { printJson, printTable } from "./print.ts";
import { CONTAINER_STATES, containerStateWord } from "./states.ts";
import type { Terminal } from "./terminal.ts";

interface Options extends ListOptions {
  all?: boolean;
  pod?: string;
  state?: (typeof CONTAINER_STATES)[number];
  label?: Record<string, string>;
}

/** `skiff ps` */
export function command(terminal: Terminal): Command {
  return withDaemonOptions(withListOptions(new Command("ps")))
    .summary("list containers")
    .description(
      "Lists the running containers, youngest first; with --all, those that were created or have exited, too.",
    )
    .option("-a, --all", "Containers in every state.")
    .option("-p, --pod <POD>", "Only those of one pod (ID, beginning of one, or name).")
    .addOption(new Option("--state <STATE>", "Only those in one state.").choices(CONTAINER_STATES))
    .option("-l, --label <KEY=VALUE>", "Only those with this label; may be given many times.", collectLabels)
    .addHelpText(
      "after",
      `
Examples:
  skiff ps                              the running containers
  skiff ps --all --pod default/web-0    all containers of one pod, first attempts too
  skiff ps -q --state exited            IDs for a script
`,
    )
    .action((options: Options) => listContainers(terminal, options));
}

async function listContainers(terminal: Terminal, options: Options): Promise<void> {
  const { containers, pods } = await withDaemon(options, async (daemon) => {
    const podSandboxId = options.pod === undefined ? "" : (await findPod(daemon, options.pod)).id;
    const filter = { id: "", state: stateFilter(options), podSandboxId, labelSelector: options.label ?? {} };
    const [listed, sandboxes] = await Promise.all([
      daemon.runtime.listContainers({ filter }),
      daemon.runtime.listPodSandbox({ filter: undefined }),
    ]);
    return { containers: listed.containers, pods: new Map(sandboxes.items.map((pod) => [pod.id, pod])) };
  });
  containers.sort((a, b) => Number(b.createdAt - a.createdAt));
  if (options.json) {
    return printJson(
      terminal,
      containers.map((container) => ({ ...container, state: containerStateWord(container.state) })),
    );
  }
  if (options.quiet) return terminal.out(containers.map((container) => `${container.id}\n`).join(""));
  printTable(
    terminal,
    ["container", "name", "state", "age", "restarts", "image", "pod"],
    containers.map((container) => row(container, pods.get(container.podSandboxId), options)),
  );
}

function row(container: Container, pod: PodSandbox | undefined, options: Options): string[] {
  const podName = pod?.metadata ? `${pod.metadata.namespace}/${pod.metadata.name}` : shortId(container.podSandboxId);
  return [
    shortId(container.id, !options.trunc),
    container.metadata?.name ?? "",
    containerStateWord(container.state),
    age(container.createdAt),
    String(container.metadata?.attempt ?? 0),
    shortImage(container, options),
    podName,
  ];
}

/** The name that the request used, unless that is a bare ID. */
function shortImage({ image, imageId }: Container, options: Options): string {
  const name = image?.userSpecifiedImage || image?.image || imageId;
  return /^(sha256:)?[0-9a-f]{64}$/.test(name) ? shortId(name, !options.trunc) : name;
}

function stateFilter({ all, state }: Options): { state: ContainerState } | undefined {
  if (state !== undefined) {
    return { state: ContainerState[`CONTAINER_${state.toUpperCase()}` as "CONTAINER_RUNNING"] };
  }
  return all ? undefined : { state: ContainerState.CONTAINER_RUNNING };
}
