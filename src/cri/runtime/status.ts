import type { RuntimeHandler, StatusRequest, StatusResponse } from "../../../proto/gen/runtime/v1/api.ts";
import type { RuntimeDependencies } from "./dependencies.ts";

/** Conditions, and per runtime handler only the features that it has. */
export const status =
  (dependencies: RuntimeDependencies) => async (request: StatusRequest): Promise<StatusResponse> => {
    const network = dependencies.network.status();
    const { problem } = await dependencies.images.facts();
    const runtimeHandlers = await handlersOf(dependencies);
    return {
      status: {
        conditions: [
          {
            type: "RuntimeReady",
            status: problem === "",
            reason: problem === "" ? "" : "NoRootFilesystems",
            message: problem,
          },
          { type: "NetworkReady", status: network.ready, reason: network.reason, message: network.message },
        ],
      },
      runtimeHandlers,
      features: {
        supplementalGroupsPolicy: true,
        userNamespacesHostNetwork: runtimeHandlers.some(({ features }) => features?.userNamespaces),
        mountOptions: true,
      },
      info: request.verbose ? await verbose(dependencies) : {},
    };
  };

/** A handler can run pods with user namespaces only if all that they need is there: volumes are mounted with mapped IDs, too. */
async function handlersOf({ handlers, runtime, images, config }: RuntimeDependencies): Promise<RuntimeHandler[]> {
  // The empty name is the default handler.
  return await Promise.all(
    ["", ...handlers.keys()].map(async (name) => {
      const handler = handlers.get(name || config.defaultRuntime);
      const has = handler && await runtime.features(handler.path);
      return {
        name,
        features: {
          recursiveReadOnlyMounts: has?.recursiveReadOnlyMounts ?? false,
          userNamespaces: has !== undefined && has.userNamespaces && has.idmappedMounts &&
            (await images.facts()).idmapped,
        },
      };
    }),
  );
}

async function verbose(dependencies: RuntimeDependencies): Promise<Record<string, string>> {
  const { config, pods, facts, node, images } = dependencies;
  return {
    config: JSON.stringify(config),
    cgroups: JSON.stringify({ driver: config.cgroupDriver, version: node.cgroupVersion }),
    node: JSON.stringify(await facts()),
    storage: JSON.stringify(await images.facts()),
    jobs: JSON.stringify(pods.jobs().filter((job) => job.state === "running")),
  };
}
