/** What each check is broken by: the breakage of its file, unless it has one of its own. */
import type { Check } from "./check.ts";
import { checks as configVolumes } from "./checks/config_volumes.ts";
import { checks as controllers } from "./checks/controllers.ts";
import { checks as env } from "./checks/env.ts";
import { checks as hostPaths } from "./checks/host_paths.ts";
import { checks as initContainers } from "./checks/init_containers.ts";
import { checks as jobs } from "./checks/jobs.ts";
import { checks as lifecycle } from "./checks/lifecycle.ts";
import { checks as names } from "./checks/names.ts";
import { checks as namespaces } from "./checks/namespaces.ts";
import { checks as privileges } from "./checks/privileges.ts";
import { checks as probes } from "./checks/probes.ts";
import { checks as profiles } from "./checks/profiles.ts";
import { checks as resize } from "./checks/resize.ts";
import { checks as resources } from "./checks/resources.ts";
import { checks as restarts } from "./checks/restarts.ts";
import { checks as runtimeClass } from "./checks/runtime_class.ts";
import { checks as staticPods } from "./checks/static_pods.ts";
import { checks as users } from "./checks/users.ts";
import { checks as volumes } from "./checks/volumes.ts";

const files: [readonly Check[], string][] = [
  [controllers, "output"],
  [jobs, "exit code"],
  [initContainers, "exit code"],
  [restarts, "exit code"],
  [lifecycle, "signals"],
  [probes, "shared namespaces"],
  [namespaces, "shared namespaces"],
  [names, "mounts"],
  [staticPods, "output"],
  [runtimeClass, "other runtime"],
  [env, "variables"],
  [volumes, "mounts"],
  [hostPaths, "mounts"],
  [configVolumes, "mounts"],
  [resources, "limits"],
  [resize, "verb update"],
  [users, "user"],
  [privileges, "confinement"],
  [profiles, "confinement"],
];

const own: Record<string, string> = {
  "a StatefulSet starts in order, with names that stay": "shared namespaces",
  "a DaemonSet has one pod on the node, and another when that one is deleted": "verb exec",
  "init containers run one after another, before the main one": "mounts",
  "a sidecar is up before the main container and ends after it": "signals",
  "a sidecar that ends is started again while the main container goes on": "mounts",
  "a program that the image has not is named in the pod's state": "verb create",
  "a postStart hook runs inside the container": "verb exec",
  "a postStart hook that fails ends its container": "verb exec",
  "a container's last words are read from the file that it names": "mounts",
  "a failed container without last words is quoted from its log": "output",
  "a pod is ended when its activeDeadlineSeconds are over": "program",
  "an exec probe makes a pod ready, and unready again": "verb exec",
  "a startup probe holds the liveness probe back": "program",
  "a startup probe that never succeeds has the container started again": "verb create",
  "an exec probe that takes too long has failed, and its command is ended": "verb exec",
  "the output of a failed exec probe is told": "verb exec",
  "hostnameOverride is the host name as it is": "shared namespaces",
  "$(NAME) is put in place in commands, arguments and other variables": "arguments",
  "a container has the entrypoint, arguments, variables, user and folder of its image": "arguments",
  "a read-only mount cannot be written while the volume's other mount can": "read-only mounts",
  "recursiveReadOnly reaches what is mounted below the volume, and the pod's status says so": "read-only mounts",
  "HostToContainer shows a container what the node mounts later, and None does not": "propagation",
  "Bidirectional shows the node and the other containers what a privileged container mounts": "propagation",
  "hostPath volumes are made when they may be": "writable mounts",
  "a container that takes too much memory is OOMKilled": "limits and cgroup",
  "a container without limits has none, and the least share": "cgroup",
  "each class of service has its own parent cgroup, and the container is below its pod's": "cgroup",
  "a pod has no more processes than the node allows": "cgroup",
  "a node without huge pages runs pods as any other": "verb create",
  "a pod that writes more than its ephemeral-storage limit is evicted": "program",
  "a pod that fills an emptyDir over its size is evicted": "mounts",
  "a container that wants it is started again by a resize, with the new limits": "limits",
  "a limit of the whole pod holds for a container that has none": "cgroup",
  "a pod's own limits are changed in place": "verb create",
  "hostUsers false maps the container's root to a user that the node does not know": "user namespace",
  "fsGroup owns the volume and is one of the process's groups": "mounts",
  "a capability does what it is for, and nothing is done without it": "privileges",
  "a privileged container has every capability, the node's devices and a writable /sys": "privileges",
  "procMount Unmasked shows all of /proc in a user namespace": "privileges",
  "AppArmor Unconfined runs, and on a node without AppArmor a profile is refused": "verb create",
  "sysctls of the pod are set in it and nowhere else": "shared namespaces",
};

/** Decided before the OCI runtime is asked: by the kubelet, or by the runtime that it talks to. */
export const beforeTheRuntime: readonly string[] = [
  "a variable of a config map that is not there keeps the container from starting",
  "a hostPath of the wrong type is refused, and the event says which",
  "a sysctl that the node does not allow is refused",
  "a RuntimeClass with a handler that the node has not is refused, and named",
  "an image volume whose sub path is not in the image is refused, and the event says why",
];

/** Every breakage that is needed, with the checks that must fail under it. */
export function plan(): Map<string, Check[]> {
  const planned = new Map<string, Check[]>();
  for (const [checks, usual] of files) {
    for (const check of checks) {
      if (beforeTheRuntime.includes(check.name)) continue;
      const kind = own[check.name] ?? usual;
      planned.set(kind, [...planned.get(kind) ?? [], check]);
    }
  }
  return planned;
}
