/**
 * The checks of every test run: one or two for each part of a cluster's life, short ones, that need neither DNS nor
 * metrics. The others run where the suite is asked for by its name, and with --full.
 */
import type { Check } from "./check.ts";
import { checksNamed } from "./runner.ts";

const names: readonly string[] = [
  "the node is Ready and names its runtime",
  "the kubelet takes the cgroup driver from the runtime, against its own configuration",
  "a Deployment becomes available, scales and rolls",
  "an indexed Job runs to all its completions",
  "a static pod comes with its file, changes with it, and goes with it",
  "init containers run one after another, before the main one",
  "a sidecar is up before the main container and ends after it",
  "a preStop hook runs to its end before SIGTERM comes",
  "an exec probe makes a pod ready, and unready again",
  "variables come from values, config maps and secrets",
  "an emptyDir is shared by the pod's containers and is a folder of the node",
  "a projected volume has a token for its audience beside config map, secret and fields",
  "limits of processor and memory are in the cgroups of container and pod",
  "a running container's limits are changed in place",
  "runAsUser and runAsGroup are the container's own, or the pod's",
  "capabilities are added and dropped",
  "hostUsers false maps the container's root to a user that the node does not know",
  "kubectl logs -f shows lines as they come and ends with the container",
  "exec over WebSocket: input, both outputs apart, the exit code",
  "attach over SPDY gives input to the container and shows what it writes from then on",
  "port-forward over WebSocket: pages, five megabytes, ten connections at once",
  "pods reach each other by their addresses, and the source is the pod's own",
  "a Service's cluster address leads to each of its pods",
  "a private image runs with a pull secret, and not without or with a wrong one",
  "kill -9 of the daemon is not seen by running pods",
];

export const coreOf = (all: readonly Check[]): Check[] => checksNamed(all, names);
