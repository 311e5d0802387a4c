/** What of all checks of the cluster is run in a guest: what cgroups, their driver and the kernel have a part in. */
import type { Check } from "../kubelet/check.ts";
import { checksNamed } from "../kubelet/runner.ts";

const names: readonly string[] = [
  "the node is Ready and names its runtime",
  "the kubelet takes the cgroup driver from the runtime, against its own configuration",
  "what can be used of the node is what the machine has",
  "a pod runs to its end and its output is kept",
  "a command is run in a container",
  "a Deployment becomes available, scales and rolls",
  "limits of processor and memory are in the cgroups of container and pod",
  "a container without limits has none, and the least share",
  "each class of service has its own parent cgroup, and the container is below its pod's",
  "a container that takes too much memory is OOMKilled",
  "a quota of processor time is felt",
  "oom_score_adj follows the class of service",
  "a running container's limits are changed in place",
  "a limit of the whole pod holds for a container that has none",
  "a pod's own limits are changed in place",
  "an exec probe makes a pod ready, and unready again",
  "an http probe that gets a 404 has the container started again",
  "init containers run one after another, before the main one",
  "an emptyDir in memory is a tmpfs of its size",
  "an image volume shows an image's files, read-only, whole and in part",
  "a privileged container has every capability, the node's devices and a writable /sys",
  "kubectl logs of a pod of two containers, by name and all together",
  "a Service's cluster address leads to each of its pods",
  "kill -9 of the daemon is not seen by running pods",
];

export const chosenChecks = (all: readonly Check[]): Check[] => checksNamed(all, names);
