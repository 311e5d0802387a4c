import type { StatusRequest, StatusResponse } from "../../../proto/gen/runtime/v1/api.ts";
import type { RuntimeDependencies } from "./dependencies.ts";

/** Conditions, and per runtime handler only the features that it has. */
export const status = (dependencies: RuntimeDependencies) => (request: StatusRequest): StatusResponse => {
  const network = dependencies.network.status();
  const features = { recursiveReadOnlyMounts: false, userNamespaces: false };
  return {
    status: {
      conditions: [
        { type: "RuntimeReady", status: true, reason: "", message: "" },
        { type: "NetworkReady", status: network.ready, reason: network.reason, message: network.message },
      ],
    },
    // The empty name is the default handler.
    runtimeHandlers: ["", ...dependencies.handlers.keys()].map((name) => ({ name, features })),
    features: { supplementalGroupsPolicy: true, userNamespacesHostNetwork: false, mountOptions: false },
    info: request.verbose ? verbose(dependencies) : {},
  };
};

function verbose(dependencies: RuntimeDependencies): Record<string, string> {
  const { config, pods, facts } = dependencies;
  return {
    config: JSON.stringify(config),
    node: JSON.stringify(facts()),
    jobs: JSON.stringify(pods.jobs().filter((job) => job.state === "running")),
  };
}
