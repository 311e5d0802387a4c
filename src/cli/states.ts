import { ContainerState, PodSandboxState } from "../../proto/gen/runtime/v1/api.ts";

const CONTAINER_WORDS: Partial<Record<ContainerState, string>> = {
  [ContainerState.CONTAINER_CREATED]: "created",
  [ContainerState.CONTAINER_RUNNING]: "running",
  [ContainerState.CONTAINER_EXITED]: "exited",
};

export const CONTAINER_STATES = ["created", "running", "exited", "unknown"] as const;
export const POD_STATES = ["ready", "notready"] as const;

export function containerStateWord(state: ContainerState): string {
  return CONTAINER_WORDS[state] ?? "unknown";
}

export function podStateWord(state: PodSandboxState): string {
  return state === PodSandboxState.SANDBOX_READY ? "ready" : "notready";
}
