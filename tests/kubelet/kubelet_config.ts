/** How the kubelet is set up: as on a small node, with short periods so that a check sees something happen. */
import { addresses, type ClusterOptions, featureGates, nodeOf } from "./options.ts";

export interface KubeletPlaces {
  /** Certificates and kubeconfigs. */
  pki: string;
  root: string;
  socket: string;
  staticPods: string;
  podLogs: string;
  volumePlugins: string;
}

export function kubeletConfiguration(options: ClusterOptions, places: KubeletPlaces): Record<string, unknown> {
  return {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    containerRuntimeEndpoint: `unix://${places.socket}`,
    // What the kubelet says itself is only for runtimes that are not asked: the other one, so that a check sees who was.
    cgroupDriver: options.cgroupDriver === "cgroupfs" ? "systemd" : "cgroupfs",
    // Everything of the cluster below one cgroup, but systemd knows only its own root.
    cgroupRoot: options.cgroupDriver === "cgroupfs" ? `/${nodeOf(options.name)}` : "/",
    failCgroupV1: false,
    failSwapOn: false,
    staticPodPath: places.staticPods,
    podLogsDir: places.podLogs,
    volumePluginDir: places.volumePlugins,
    fileCheckFrequency: "2s",
    syncFrequency: "10s",
    nodeStatusUpdateFrequency: "4s",
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: `${places.pki}/ca.crt` },
    },
    authorization: { mode: "Webhook" },
    tlsCertFile: `${places.pki}/kubelet-server.crt`,
    tlsPrivateKeyFile: `${places.pki}/kubelet-server.key`,
    clusterDomain: "cluster.local",
    clusterDNS: [addresses.dns],
    resolvConf: "",
    maxPods: 130,
    podPidsLimit: 512,
    serializeImagePulls: false,
    maxParallelImagePulls: 4,
    registryPullQPS: 0,
    eventRecordQPS: 0,
    kubeAPIQPS: 100,
    kubeAPIBurst: 200,
    evictionHard: { "memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%" },
    evictionPressureTransitionPeriod: "5s",
    imageGCHighThresholdPercent: 98,
    imageGCLowThresholdPercent: 97,
    imageMinimumGCAge: "1s",
    containerLogMaxSize: "64Ki",
    containerLogMaxFiles: 3,
    containerLogMonitorInterval: "3s",
    crashLoopBackOff: { maxContainerRestartPeriod: "4s" },
    allowedUnsafeSysctls: ["net.*", "kernel.msg*", "kernel.shm*"],
    memorySwap: { swapBehavior: "NoSwap" },
    featureGates: featureGates(options),
  };
}
