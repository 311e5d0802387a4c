import type { CgroupPlacement, ResolvedUser, RuntimeHandler, UserNamespaceFacts } from "../oci/types.ts";
import type { NetworkAttachment } from "../network/types.ts";
import type { ProcessIdentity } from "../sys/mod.ts";
import type { ContainerConfig, PodSandboxConfig } from "../../proto/gen/runtime/v1/api.ts";

/** What the store keeps of a pod, beside its config. Kernel objects in it are only true in the boot `bootId`. */
export interface SandboxRecord {
  schema: 1;
  id: string;
  /** Job key: namespace, name, uid, attempt. */
  key: string;
  /** Of the request, canonical; see request_hash.ts. */
  hash: string;
  state: "ready" | "notready";
  /** Nanoseconds since the epoch, decimal. */
  createdAt: string;
  bootId: string;
  /** As asked for; empty: the default. */
  runtimeHandler: string;
  runtime: RuntimeHandler;
  hostname: string;
  netns?: string;
  ipcns?: string;
  utsns?: string;
  /** The pod's own user namespace; its mappings stay true when it is taken down. */
  userns?: UserNamespaceFacts;
  /** Set by each container: see {@link UserNamespaceFacts}. */
  sysctls?: Record<string, string>;
  shm?: string;
  /** Folder of resolv.conf, hosts, hostname. */
  folder: string;
  cgroupParent: string;
  /** The part of it that was not there before the pod, outermost first. */
  madeCgroups?: string[];
  attachment?: NetworkAttachment;
  /** The pause process of a pod that shares its pid namespace. */
  pause?: {
    id: string;
    process: ProcessIdentity;
    monitor: ProcessIdentity;
    bundle: string;
    placement: CgroupPlacement;
  };
}

/** An image that is mounted as a volume of a container. */
export interface ImageVolume {
  /** The mount's name. */
  id: string;
  /** Of the mounts of the request. */
  index: number;
  imageId: string;
  path: string;
}

export type ContainerStateName = "created" | "running" | "exited";

/** What the store keeps of a container, beside its config. */
export interface ContainerRecord {
  schema: 1;
  id: string;
  sandboxId: string;
  key: string;
  hash: string;
  state: ContainerStateName;
  bootId: string;
  /** Digest of the image's config. */
  imageId: string;
  /** name@digest where the image has one, else its ID. */
  imageRef: string;
  /** Nanoseconds since the epoch, decimal; empty: not yet. */
  createdAt: string;
  startedAt: string;
  finishedAt: string;
  exitCode: number;
  reason: string;
  message: string;
  /** Stored, so that a changed configuration never orphans a container. */
  runtime: RuntimeHandler;
  placement: CgroupPlacement;
  process: ProcessIdentity;
  monitor: ProcessIdentity;
  bundle: string;
  /** Absolute; empty: no log. */
  logPath: string;
  /** Folder of the writable layer. */
  upper: string;
  imageVolumes?: ImageVolume[];
  /** The runtime and the cgroups know nothing of it any more. */
  released?: boolean;
  user: ResolvedUser;
  /** Linux signal number. */
  stopSignal: number;
  /** What was asked for and could not be given on this node. */
  notes: string[];
}

export interface StoredSandbox {
  record: SandboxRecord;
  config: PodSandboxConfig;
}

export interface StoredContainer {
  record: ContainerRecord;
  config: ContainerConfig;
}
