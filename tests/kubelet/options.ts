/** What a cluster is asked to be, and where its parts are. */
import { tools } from "../support/tools.ts";

export const kubernetesVersion = "1.37.2";
/** Where the set-up puts what it builds. */
export const programs = `${tools.home}/kubernetes-${kubernetesVersion}`;

export interface ClusterOptions {
  name: string;
  runtime: "skiff" | "containerd";
  ociRuntime: "runc" | "crun";
  /** Debian's runc instead of the current release. */
  oldRunc: boolean;
  cgroupDriver: "cgroupfs" | "systemd";
  /** The kubelet takes stats from the runtime and not from its cadvisor. */
  statsFromCRI: boolean;
  /** Where the registry listens that all images come from. */
  registryPort: number;
  /** Without DNS and metrics: up sooner. */
  addons: boolean;
  /** Pid of the process that the cluster ends with; 0: it stays until it is told to end. */
  owner: number;
}

export const defaults: ClusterOptions = {
  name: "shared",
  runtime: "skiff",
  ociRuntime: "runc",
  oldRunc: false,
  cgroupDriver: "cgroupfs",
  statsFromCRI: false,
  registryPort: 5000,
  addons: true,
  owner: 0,
};

/** Of the one node and of everything that a cluster makes on the machine: cgroups, folders. */
export const nodeOf = (name: string) => `skiff-k-${name}`;
export const dirOf = (name: string) => `/run/skiff/${nodeOf(name)}`;
export const rootOf = (name: string) => `/var/lib/skiff/${nodeOf(name)}`;
/** The record that others find a running cluster by. */
export const recordOf = (name: string) => `${dirOf(name)}/cluster.json`;
export const controlOf = (name: string) => `${dirOf(name)}/control.sock`;

/** Addresses, the same in each cluster: every cluster has a network of its own. */
export const addresses = {
  node: "172.29.0.1",
  services: "10.96.0.0/16",
  apiService: "10.96.0.1",
  dns: "10.96.0.10",
  pods: "10.241.7.0/24",
};

/**
 * Gates that touch a runtime and are off by default, for all programs that know them. EventedPLEG is not among them: with
 * it the kubelet of 1.37.2 runs init containers again and again on a runtime that gives PodSandboxStatus a timestamp,
 * because the pod status that it makes then lacks ActiveContainerStatuses. A check of its own turns it on.
 */
export function featureGates({ statsFromCRI }: ClusterOptions): Record<string, boolean> {
  return {
    CRIListStreaming: true,
    ContainerStopSignals: true,
    UserNamespacesHostNetworkSupport: true,
    ImageVolumeWithDigest: true,
    RuntimeClassInImageCriApi: true,
    VolumeBindMountOptions: true,
    DefaultPodSysctls: true,
    EmptyDirVolumeMode: true,
    InPlacePodVerticalScalingExclusiveCPUs: true,
    InPlacePodVerticalScalingMemoryBackedVolumes: true,
    KubeletCrashLoopBackOffMax: true,
    PodAndContainerStatsFromCRI: statsFromCRI,
  };
}

/** What is written to a cluster's record. */
export interface ClusterRecord {
  options: ClusterOptions;
  keeperPid: number;
  holderPid: number;
  daemonPid: number;
  kubeletPid: number;
  socket: string;
  runtimeRoot: string;
  cgroup: 1 | 2;
  has: { coredns: boolean; metricsServer: boolean; agnhost: boolean };
  /** Milliseconds from the beginning until the node was Ready. */
  upMs: number;
}
