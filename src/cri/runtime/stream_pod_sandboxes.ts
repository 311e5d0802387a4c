import type { StreamPodSandboxesRequest } from "../../../proto/gen/runtime/v1/api.ts";
import { Encoded } from "../../rpc/mod.ts";
import { chunks } from "../list_entry.ts";
import type { RuntimeDependencies } from "./dependencies.ts";
import { podSandboxEntries } from "./list_pod_sandbox.ts";

export const streamPodSandboxes = ({ pods }: RuntimeDependencies) =>
  async function* ({ filter }: StreamPodSandboxesRequest): AsyncGenerator<Encoded> {
    for (const chunk of chunks([...podSandboxEntries(pods, filter)])) yield new Encoded(chunk);
  };
