/** All checks of all files, in the order in which they run. */
import type { Check } from "./check.ts";
import { checks as basics } from "./checks/basics.ts";
import { checks as controllers } from "./checks/controllers.ts";
import { checks as jobs } from "./checks/jobs.ts";
import { checks as initContainers } from "./checks/init_containers.ts";
import { checks as restarts } from "./checks/restarts.ts";
import { checks as lifecycle } from "./checks/lifecycle.ts";
import { checks as probes } from "./checks/probes.ts";
import { checks as namespaces } from "./checks/namespaces.ts";
import { checks as names } from "./checks/names.ts";
import { checks as staticPods } from "./checks/static_pods.ts";
import { checks as runtimeClass } from "./checks/runtime_class.ts";
import { checks as env } from "./checks/env.ts";
import { checks as volumes } from "./checks/volumes.ts";
import { checks as hostPaths } from "./checks/host_paths.ts";
import { checks as configVolumes } from "./checks/config_volumes.ts";
import { checks as resources } from "./checks/resources.ts";
import { checks as resize } from "./checks/resize.ts";
import { checks as users } from "./checks/users.ts";
import { checks as privileges } from "./checks/privileges.ts";
import { checks as profiles } from "./checks/profiles.ts";
import { checks as kubectlLogs } from "./checks/kubectl_logs.ts";
import { checks as kubectlExec } from "./checks/kubectl_exec.ts";
import { checks as kubectlAttach } from "./checks/kubectl_attach.ts";
import { checks as kubectlCopy } from "./checks/kubectl_copy.ts";
import { checks as kubectlDebug } from "./checks/kubectl_debug.ts";
import { checks as kubectlTell } from "./checks/kubectl_tell.ts";
import { checks as podNetwork } from "./checks/pod_network.ts";
import { checks as services } from "./checks/services.ts";
import { checks as hostPorts } from "./checks/host_ports.ts";
import { checks as portForward } from "./checks/port_forward.ts";
import { checks as imagePulls } from "./checks/image_pulls.ts";
import { checks as privateImages } from "./checks/private_images.ts";
import { checks as imageCollection } from "./checks/image_collection.ts";
import { checks as logsRotation } from "./checks/logs_rotation.ts";
import { checks as node } from "./checks/node.ts";
import { checks as nodeChanges } from "./checks/node_changes.ts";
import { checks as statsPods } from "./checks/stats_pods.ts";
import { checks as statsNode } from "./checks/stats_node.ts";
import { checks as churn } from "./checks/churn.ts";

export const checks: Check[] = [
  ...basics,
  ...controllers,
  ...jobs,
  ...initContainers,
  ...restarts,
  ...lifecycle,
  ...probes,
  ...namespaces,
  ...names,
  ...staticPods,
  ...runtimeClass,
  ...env,
  ...volumes,
  ...hostPaths,
  ...configVolumes,
  ...resources,
  ...resize,
  ...users,
  ...privileges,
  ...profiles,
  ...kubectlLogs,
  ...kubectlExec,
  ...kubectlAttach,
  ...kubectlCopy,
  ...kubectlDebug,
  ...kubectlTell,
  ...podNetwork,
  ...services,
  ...hostPorts,
  ...portForward,
  ...imagePulls,
  ...privateImages,
  ...imageCollection,
  ...logsRotation,
  ...node,
  ...nodeChanges,
  ...statsPods,
  ...statsNode,
  ...churn,
];
