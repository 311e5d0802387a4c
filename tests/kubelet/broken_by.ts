/** What each check is broken by: the breakage of its file, unless it has one of its own. */
import type { Check } from "./check.ts";
import { checks as basics } from "./checks/basics.ts";
import { checks as churn } from "./checks/churn.ts";
import { checks as configVolumes } from "./checks/config_volumes.ts";
import { checks as controllers } from "./checks/controllers.ts";
import { checks as env } from "./checks/env.ts";
import { checks as hostPaths } from "./checks/host_paths.ts";
import { checks as hostPorts } from "./checks/host_ports.ts";
import { checks as imageCollection } from "./checks/image_collection.ts";
import { checks as imagePulls } from "./checks/image_pulls.ts";
import { checks as initContainers } from "./checks/init_containers.ts";
import { checks as jobs } from "./checks/jobs.ts";
import { checks as kubectlAttach } from "./checks/kubectl_attach.ts";
import { checks as kubectlCopy } from "./checks/kubectl_copy.ts";
import { checks as kubectlDebug } from "./checks/kubectl_debug.ts";
import { checks as kubectlExec } from "./checks/kubectl_exec.ts";
import { checks as kubectlLogs } from "./checks/kubectl_logs.ts";
import { checks as kubectlTell } from "./checks/kubectl_tell.ts";
import { checks as lifecycle } from "./checks/lifecycle.ts";
import { checks as logsRotation } from "./checks/logs_rotation.ts";
import { checks as names } from "./checks/names.ts";
import { checks as namespaces } from "./checks/namespaces.ts";
import { checks as node } from "./checks/node.ts";
import { checks as nodeChanges } from "./checks/node_changes.ts";
import { checks as podNetwork } from "./checks/pod_network.ts";
import { checks as portForward } from "./checks/port_forward.ts";
import { checks as privateImages } from "./checks/private_images.ts";
import { checks as privileges } from "./checks/privileges.ts";
import { checks as probes } from "./checks/probes.ts";
import { checks as profiles } from "./checks/profiles.ts";
import { checks as resize } from "./checks/resize.ts";
import { checks as resources } from "./checks/resources.ts";
import { checks as restarts } from "./checks/restarts.ts";
import { checks as runtimeClass } from "./checks/runtime_class.ts";
import { checks as services } from "./checks/services.ts";
import { checks as staticPods } from "./checks/static_pods.ts";
import { checks as statsNode } from "./checks/stats_node.ts";
import { checks as statsPods } from "./checks/stats_pods.ts";
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
  [basics, "output"],
  [kubectlLogs, "output"],
  [kubectlExec, "verb exec"],
  [kubectlAttach, "output"],
  [kubectlCopy, "verb exec"],
  [kubectlDebug, "shared namespaces"],
  [kubectlTell, "verb create"],
  [podNetwork, "shared namespaces"],
  [services, "shared namespaces"],
  [hostPorts, "host ports"],
  [portForward, "the right port"],
  [imagePulls, "image digests"],
  [privateImages, "pull secrets"],
  [imageCollection, "pinned images"],
  [logsRotation, "reopened logs"],
  [node, "the runtime's facts"],
  [nodeChanges, "the network's condition"],
  [statsPods, "figures"],
  [statsNode, "figures"],
  [churn, "what ran before"],
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
  "the node is Ready and names its runtime": "the runtime's condition",
  "a pod's failure and its exit code are told": "exit code",
  "a command is run in a container": "verb exec",
  "exec of a program that there is not, and in a pod that has ended, say why": "reasons of a failed exec",
  "a Deployment becomes available, scales and rolls": "program",
  "kubectl debug node shows the node's files, processes and network": "mounts",
  "hostPath / shows mounts that the node makes later (HostToContainer)": "propagation",
  "a deleted pod's address is given back": "freed addresses",
  "a pod whose sandbox has died gets a new one, with a new address, and its containers run again": "stops",
  "a Service is in the environment of pods that come after it": "variables",
  "kubectl top shows what a busy pod and the node use": "figures",
  "IfNotPresent takes what is there though its tag has moved, Always follows the tag": "known images",
  "Never does not pull, and runs what is there": "known images",
  "an image that there is not: ErrImagePull with the registry's answer, then ImagePullBackOff with it":
    "reasons of a failed pull",
  "a pod that is deleted during its pull goes at once, and the pull can be made again": "stops",
  "pods that want the same image at once share one download": "joined pulls",
  "an image in use is not removed, by whatever name": "images in use",
  "a registry that is down is the reason RegistryUnavailable, and the pod runs once it is back":
    "reasons of a failed pull",
  "the kubelet lists pods and containers by streams": "streams",
  "the node is under no pressure and says that it is well": "the runtime's condition",
  "drain empties the node of what can go elsewhere, and uncordon lets it come back": "stops",
  "the kubelet gets the runtime's events, and init containers run once with them": "events",
  "a restart of the kubelet is not seen by running pods": "output",
  "pods that are made and removed while the daemon is killed leave nothing": "freed addresses",
  "after a reboot pods come back, nothing is pulled, no address is lost": "freed addresses",
};

/** Decided before the OCI runtime is asked, by the kubelet alone or by what it knows of the machine. */
export const beforeTheRuntime: readonly string[] = [
  "a name that is none is refused before any pull",
  "the log folder of a deleted pod goes",
  "what can be used of the node is what the machine has",
  "stats: the node's memory, processor and processes are the machine's",
  // With another answer the kubelet does not start here: the check is what saw it ask.
  "the kubelet takes the cgroup driver from the runtime, against its own configuration",
  // Five minutes for one answer; its shorter sister, by crictl, is tried.
  "the kubelet's garbage collection takes unused images, and neither used nor pinned ones",
  "a variable of a config map that is not there keeps the container from starting",
  "a hostPath of the wrong type is refused, and the event says which",
  "a sysctl that the node does not allow is refused",
  "a RuntimeClass with a handler that the node has not is refused, and named",
  "an image volume whose sub path is not in the image is refused, and the event says why",
];

/** Every breakage that is needed, with the checks that must fail under it: all, or those with one of the words in their name or kind. */
export function plan(words: readonly string[]): Map<string, Check[]> {
  const planned = new Map<string, Check[]>();
  for (const [checks, usual] of files) {
    for (const check of checks) {
      if (beforeTheRuntime.includes(check.name)) continue;
      const kind = own[check.name] ?? usual;
      if (words.length > 0 && !words.some((word) => check.name.includes(word) || word === kind)) continue;
      planned.set(kind, [...planned.get(kind) ?? [], check]);
    }
  }
  return planned;
}
