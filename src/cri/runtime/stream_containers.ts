import type { StreamContainersRequest } from "../../../proto/gen/runtime/v1/api.ts";
import { Encoded } from "../../rpc/mod.ts";
import { chunks } from "../list_entry.ts";
import type { RuntimeDependencies } from "./dependencies.ts";
import { containerEntries } from "./list_containers.ts";

export const streamContainers = ({ pods }: RuntimeDependencies) =>
  async function* ({ filter }: StreamContainersRequest): AsyncGenerator<Encoded> {
    for (const chunk of chunks([...containerEntries(pods, filter)])) yield new Encoded(chunk);
  };
