/** What a check of the cluster is, and what it works with. The checks are in checks/, the running of them in runner.ts. */
import type { Output } from "../support/command.ts";

export * from "./objects.ts";

/** One behaviour of a cluster, seen through kubectl. */
export interface Check {
  /** Short and unique, as a sentence: "a Job runs to completion". */
  name: string;
  /** What it stands for: "Job", "probes", "kubectl exec -it over WebSocket". */
  item: string;
  /** Not among the core: takes long. */
  full?: boolean;
  /** Undefined: runs everywhere; else the reason why it cannot be seen here (counted as skipped). */
  unavailable?(cluster: Cluster): string | undefined;
  /** Seconds, more of them on a slow machine; default 120. */
  timeout?: number;
  /** Not beside other checks: it restarts the daemon, drains the node, … */
  alone?: boolean;
  run(context: CheckContext): Promise<void>;
}

export type PodPhase = "Running" | "Succeeded" | "Failed" | "Pending";

/** What a check works with: a Kubernetes namespace of its own, removed after it. */
export interface CheckContext {
  readonly cluster: Cluster;
  readonly namespace: string;
  /** Aborted when the check's time is over; every call of this context fails then. */
  readonly signal: AbortSignal;
  /** kubectl in the check's namespace; returns what it prints, and throws with what it says on failure. */
  kubectl(...args: string[]): Promise<string>;
  tryKubectl(...args: string[]): Promise<Output>;
  kubectlInput(input: string, ...args: string[]): Promise<string>;
  /** Creates or changes objects; they get the check's namespace unless they name one. */
  apply(...objects: object[]): Promise<void>;
  /** An object as the API has it. */
  // deno-lint-ignore no-explicit-any
  get<T = any>(kind: string, name: string): Promise<T>;
  /** Asks once a second until the answer is anything but undefined or false; default 60 seconds. An error of `probe` ends it. */
  until<T>(what: string, probe: () => Promise<T | undefined | false>, seconds?: number): Promise<T>;
  /** Waits for a pod's phase, and returns the pod. Says on failure what the pod and its events say. */
  // deno-lint-ignore no-explicit-any
  podIs(name: string, phase: PodPhase, seconds?: number): Promise<any>;
  /** Waits for the condition Ready, and returns the pod. */
  // deno-lint-ignore no-explicit-any
  ready(name: string, seconds?: number): Promise<any>;
  logs(name: string, ...args: string[]): Promise<string>;
  /** `kubectl exec NAME -- COMMAND…`; `-c CONTAINER` may come before the name by way of {@link kubectl}. */
  exec(name: string, ...command: string[]): Promise<string>;
}

/** What the cluster's registry has, besides what a check puts there. */
export type ImageName = "busybox" | "busybox2" | "configured" | "agnhost" | "pause" | "coredns" | "metrics-server";

/** A running cluster and the machine it is on. */
export interface Cluster {
  readonly name: string;
  readonly runtime: "skiff" | "containerd";
  readonly ociRuntime: "runc" | "crun";
  readonly cgroup: 1 | 2;
  readonly cgroupDriver: "cgroupfs" | "systemd";
  readonly nodeName: string;
  readonly nodeIP: string;
  /** Folder of everything the cluster keeps: logs of its programs, configuration. */
  readonly dir: string;
  /** The CRI socket's path. */
  readonly socket: string;
  readonly kubeconfig: string;
  /** Optional parts that were there to be started. */
  readonly has: { coredns: boolean; metricsServer: boolean; agnhost: boolean };
  /** The kubelet takes stats from the runtime (PodAndContainerStatsFromCRI). */
  readonly statsFromCRI: boolean;
  /** Where static pods are put, logs of pods are, CNI configuration is read. */
  readonly staticPods: string;
  readonly podLogs: string;
  readonly cniConfig: string;
  /** The kubelet's folder: pods/UID/volumes is below. */
  readonly kubeletRoot: string;
  /** Cgroup below each controller's mount that pods are in, e.g. "/NAME/kubepods". */
  readonly podsCgroup: string;
  /** What both registries serve from: see RegistryStorage. */
  readonly registryStorage: string;
  /** Root of the runtime's own data: images, containers. */
  readonly runtimeRoot: string;
  readonly daemonPid: number;
  readonly kubeletPid: number;
  /** Holds the namespaces: `/proc/PID/root` is the node's file system as everything in it sees it. */
  readonly holderPid: number;
  /** Reference of an image on the cluster's own registry. */
  image(name: ImageName): string;
  /** The same image on a registry that wants {@link privateRegistry}'s user and password (reached over plain HTTP). */
  privateImage(name: ImageName): string;
  readonly privateRegistry: { port: number; user: string; password: string };
  /** Runs a program inside the cluster's mount and network namespaces, as root on the node; throws on failure. */
  run(program: string, ...args: string[]): Promise<string>;
  tryRun(program: string, ...args: string[]): Promise<Output>;
  /** Arguments for nsenter that run a program in there: for checks that need to talk to it while it runs. */
  enter(program: string, ...args: string[]): string[];
  /** What the daemon or the kubelet has written so far. */
  log(program: "daemon" | "kubelet"): Promise<string>;
  /** SIGTERM, and start again; returns when it serves. */
  restartDaemon(): Promise<void>;
  /** SIGKILL, and start again. */
  killDaemon(): Promise<void>;
  /** `overrides` take the place of fields of its usual KubeletConfiguration, until the next restart. */
  restartKubelet(overrides?: Record<string, unknown>): Promise<void>;
  /** As if the machine had lost power: see reboot.ts. The control plane is on another machine, so to say, and lives on. */
  reboot(): Promise<void>;
  /** The registry refuses connections until {@link registryUp}. */
  registryDown(): Promise<void>;
  registryUp(): Promise<void>;
}
