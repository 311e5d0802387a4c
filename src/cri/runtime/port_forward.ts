import type { PortForwardRequest, PortForwardResponse } from "../../../proto/gen/runtime/v1/api.ts";
import { invalid, plainText } from "../check.ts";
import type { RuntimeDependencies } from "./dependencies.ts";

export const portForward =
  ({ pods, streaming }: RuntimeDependencies) => (request: PortForwardRequest): PortForwardResponse => {
    const id = plainText("pod_sandbox_id", request.podSandboxId);
    for (const port of request.port) {
      if (port < 1 || port > 65_535) throw invalid("port", port, "must be 1 to 65535");
    }
    const target = () => pods.portForwardTarget(id);
    // Now for what can be said now, and again when the client connects.
    target();
    return { url: streaming.portForward({ target, ports: request.port }) };
  };
