import type { PortMapping } from "../../proto/gen/runtime/v1/api.ts";

/** A pod, as CNI sees it. */
export interface PodNetwork {
  sandboxId: string;
  netns: string;
  namespace: string;
  name: string;
  uid: string;
  portMappings: PortMapping[];
  annotations: Record<string, string>;
  cgroupParent: string;
}

/** What ADD gave; stored with the pod, and what DEL and CHECK are given back. JSON. */
export interface NetworkAttachment {
  networkName: string;
  ifname: string;
  /** The conflist as it was at ADD, as JSON text. */
  conflist: string;
  /** Result of the last plugin, as JSON. */
  result: unknown;
  /** Addresses without prefix length, the primary first. */
  ips: string[];
}

export interface NetworkStatus {
  ready: boolean;
  /** e.g. NetworkPluginNotReady */
  reason: string;
  message: string;
}

export interface Network {
  /** From memory; a changed folder is seen within a second. */
  status(): NetworkStatus;
  /** RpcError UNAVAILABLE at once where there is no config. On failure after a plugin ran, everything is DELeted again. `onStep` gets the plugin that runs now, for the job's report. */
  add(
    pod: PodNetwork,
    options: { signal?: AbortSignal; onStep?: (plugin: string) => void },
  ): Promise<NetworkAttachment>;
  /** Repeatable. Without a netns (after a reboot) with an empty one. */
  del(pod: PodNetwork, attachment: NetworkAttachment | undefined): Promise<void>;
}
