import type { Container, PodSandbox } from "../../proto/gen/runtime/v1/api.ts";
import type { Daemon } from "./client.ts";
import { Exit, EXIT_FAILURE } from "./exit.ts";
import { shortId } from "./format.ts";

/** The container that `word` names: its ID, the beginning of one, or its name where only one has it. */
export async function findContainer({ runtime }: Daemon, word: string): Promise<Container> {
  const { containers } = await runtime.listContainers({ filter: undefined });
  return pick("container", word, containers, (container) => [container.metadata?.name ?? ""]);
}

/** The pod that `word` names: its ID, the beginning of one, its name, or `namespace/name`. */
export async function findPod({ runtime }: Daemon, word: string): Promise<PodSandbox> {
  const { items } = await runtime.listPodSandbox({ filter: undefined });
  return pick("pod", word, items, ({ metadata }) => [metadata?.name ?? "", `${metadata?.namespace}/${metadata?.name}`]);
}

/** The one of `all` that has this ID, else this name, else an ID that begins so. */
export function pick<T extends { id: string }>(kind: string, word: string, all: T[], namesOf: (one: T) => string[]): T {
  const exact = all.find((one) => one.id === word);
  if (exact) return exact;
  const named = all.filter((one) => namesOf(one).includes(word));
  const found = named.length > 0 ? named : all.filter((one) => word !== "" && one.id.startsWith(word));
  if (found.length === 1) return found[0];
  if (found.length === 0) throw new Exit(EXIT_FAILURE, `no ${kind} has the ID or the name "${word}"`);
  const candidates = found.slice(0, 5).map((one) => `${shortId(one.id)} (${namesOf(one).at(-1)})`).join(", ");
  throw new Exit(EXIT_FAILURE, `"${word}" names ${found.length} ${kind}s: ${candidates}; give more of the ID`);
}
