import type { Kernel } from "../../sys/kernel.ts";
import { type MountInfo, mountsBelow } from "../../sys/mod.ts";

/** Where cgroups are mounted: runtimes look nowhere else. */
const CGROUP_ROOT = "/sys/fs/cgroup";

export interface Hierarchies {
  version: 1 | 2;
  /** Mount point per controller (v1), or of the one hierarchy under "" (v2). */
  mounts: Record<string, string>;
  controllers: Set<string>;
  /** v1 only: hierarchies without a controller of ours (name=systemd, hybrid's unified), in which runtimes make cgroups, too. */
  others: string[];
}

const V1_CONTROLLERS: ReadonlySet<string> = new Set([
  "cpu",
  "cpuacct",
  "cpuset",
  "memory",
  "devices",
  "freezer",
  "blkio",
  "pids",
  "hugetlb",
  "net_cls",
  "net_prio",
  "perf_event",
  "rdma",
  "misc",
]);

/** How this node's cgroups are set up: v2 if /sys/fs/cgroup itself is cgroup2, else v1 (hybrid included). */
export function findHierarchies(kernel: Kernel): Hierarchies {
  const mounts = mountsBelow(CGROUP_ROOT, kernel);
  const unified = mounts.findLast(({ mountPoint }) => mountPoint === CGROUP_ROOT);
  if (unified?.type === "cgroup2") {
    const controllers = kernel.readText(`${CGROUP_ROOT}/cgroup.controllers`).trim().split(" ").filter((name) =>
      name !== ""
    );
    // Devices and freezing are part of v2 itself.
    return {
      version: 2,
      mounts: { "": CGROUP_ROOT },
      controllers: new Set([...controllers, "devices", "freezer"]),
      others: [],
    };
  }
  return v1(mounts);
}

function v1(mounts: MountInfo[]): Hierarchies {
  const found: Record<string, string> = {};
  const others: string[] = [];
  for (const { type, mountPoint, superOptions } of mounts) {
    if (type !== "cgroup" && type !== "cgroup2") continue;
    const controllers = type === "cgroup" ? superOptions.filter((option) => V1_CONTROLLERS.has(option)) : [];
    for (const controller of controllers) found[controller] ??= mountPoint;
    if (controllers.length === 0) others.push(mountPoint);
  }
  if (Object.keys(found).length === 0) {
    throw new Error(
      `no cgroups: neither cgroup2 at ${CGROUP_ROOT} nor v1 controllers below it; mount them before skiff starts`,
    );
  }
  return { version: 1, mounts: found, controllers: new Set(Object.keys(found)), others };
}
