import type { Mount } from "../spec.ts";
import type { RuntimeFeatures, SandboxFacts } from "../types.ts";
import type { Section } from "./section.ts";

/** What every Linux program expects: the OCI specification's default file systems, the pod's /dev/shm and its three files. */
export function defaultMounts({ input: { sandbox, features }, security }: Section): Mount[] {
  const access = security.privileged ? "rw" : "ro";
  return [
    { destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"] },
    {
      destination: "/dev",
      type: "tmpfs",
      source: "tmpfs",
      options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
    },
    {
      destination: "/dev/pts",
      type: "devpts",
      source: "devpts",
      options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
    },
    { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: ["nosuid", "noexec", "nodev"] },
    sysfs(sandbox, features, access),
    {
      destination: "/sys/fs/cgroup",
      type: "cgroup",
      source: "cgroup",
      options: ["nosuid", "noexec", "nodev", "relatime", access],
    },
    bind("/dev/shm", sandbox.shm ?? "/dev/shm", "rw"),
    ...[["/etc/hosts", sandbox.hosts], ["/etc/hostname", sandbox.hostnameFile], [
      "/etc/resolv.conf",
      sandbox.resolvConf,
    ]]
      .map(([destination, source]) => bind(destination, source, security.readonlyRootfs ? "ro" : "rw")),
  ];
}

/** Only the owner of a network namespace can mount a sysfs of it: root of a pod on the node's network gets the node's. */
function sysfs({ userns, netns }: SandboxFacts, features: RuntimeFeatures, access: string): Mount {
  const options = ["nosuid", "noexec", "nodev"];
  if (!userns || netns) return { destination: "/sys", type: "sysfs", source: "sysfs", options: [...options, access] };
  const readonly = features.recursiveReadOnlyMounts ? "rro" : "ro";
  return { destination: "/sys", type: "bind", source: "/sys", options: ["rbind", "rprivate", ...options, readonly] };
}

function bind(destination: string, source: string, access: string): Mount {
  return { destination, type: "bind", source, options: ["rbind", "rprivate", "nosuid", "noexec", "nodev", access] };
}
