import { ContainerConfig, PodSandboxConfig } from "../../../../proto/gen/runtime/v1/api.ts";
import { NO_DEFAULTS } from "../../../../src/images/image_config.ts";
import type { NodeLimits, SandboxFacts, SpecInput, SpecMeans, UserNamespaceFacts } from "../../../../src/oci/mod.ts";
import { CAPABILITIES, kernel } from "../../../../src/sys/mod.ts";

// libc is loaded at the first call: here, so that no test seems to leak it.
kernel.getpid();

/** A node with every right, cgroup v1 and all controllers. */
export function node(changes: Partial<NodeLimits> = {}): NodeLimits {
  return {
    capabilities: [...CAPABILITIES],
    minOomScoreAdj: -1000,
    rlimits: {},
    controllers: new Set(["cpu", "cpuset", "memory", "pids", "hugetlb", "devices"]),
    cgroupVersion: 1,
    seccomp: true,
    apparmor: false,
    selinux: false,
    swapAccounting: true,
    kernelVersion: [6, 1],
    ...changes,
  };
}

export function sandbox(changes: Partial<SandboxFacts> = {}): SandboxFacts {
  return {
    id: "pod1",
    netns: "/run/netns/pod1",
    ipcns: "/run/skiff/ns/pod1-ipc",
    utsns: "/run/skiff/ns/pod1-uts",
    hostname: "web-0",
    resolvConf: "/run/skiff/sandboxes/pod1/resolv.conf",
    hosts: "/run/skiff/sandboxes/pod1/hosts",
    hostnameFile: "/run/skiff/sandboxes/pod1/hostname",
    shm: "/run/skiff/sandboxes/pod1/shm",
    cgroupParent: "/kubepods/pod1",
    privileged: false,
    config: PodSandboxConfig.fromPartial({ metadata: { name: "web", uid: "u1", namespace: "default", attempt: 0 } }),
    ...changes,
  };
}

/** A user namespace whose IDs are those from 100,000 on. */
export const USERNS: UserNamespaceFacts = {
  path: "/run/skiff/ns/pod1-user",
  uids: { containerID: 0, hostID: 100_000, size: 65_536 },
  gids: { containerID: 0, hostID: 200_000, size: 65_536 },
};

/** What generated code takes for a part of a message. */
type Part<T> = T extends { fromPartial(part: infer P): unknown } ? P : never;
type ConfigPart = Part<typeof ContainerConfig>;
type LinuxPart = NonNullable<ConfigPart["linux"]>;

export interface RequestChanges {
  config?: ConfigPart;
  security?: LinuxPart["securityContext"];
  resources?: LinuxPart["resources"];
  sandbox?: Partial<SandboxFacts>;
  node?: Partial<NodeLimits>;
  image?: Partial<SpecInput["image"]>;
  input?: Partial<SpecInput>;
}

/** A request for `sleep 1` in an image without settings, in an empty root folder. */
export function request(rootfs: string, changes: RequestChanges = {}): SpecInput {
  return {
    id: "c1",
    config: ContainerConfig.fromPartial({
      metadata: { name: "main", attempt: 0 },
      image: { image: "sha256:1" },
      command: ["sleep", "1"],
      ...changes.config,
      linux: { securityContext: { ...changes.security }, resources: changes.resources },
    }),
    sandbox: sandbox(changes.sandbox),
    image: {
      ...NO_DEFAULTS,
      ...changes.image,
    },
    rootfs,
    placement: { cgroupsPath: "/kubepods/pod1/c1", paths: {} },
    node: node(changes.node),
    runtime: {
      name: "runc",
      path: "/usr/sbin/runc",
      root: "/run/skiff/runc",
      conmon: "/usr/bin/conmon",
      cgroupDriver: "cgroupfs",
    },
    features: { recursiveReadOnlyMounts: true, idmappedMounts: true, userNamespaces: true },
    ...changes.input,
  };
}

export const means: SpecMeans = { kernel, config: { defaultEnv: [], pidsLimit: 0 } };

/** Runs `use` with an empty folder that is removed afterwards. */
export async function withFolder(use: (folder: string) => void | Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "skiff-oci-" });
  try {
    await use(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}
