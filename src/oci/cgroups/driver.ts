import type { Kernel } from "../../sys/kernel.ts";
import type { CgroupDriver } from "../types.ts";
import { CgroupfsDriver } from "./cgroupfs_driver.ts";
import { findHierarchies } from "./hierarchies.ts";
import { SystemdBus } from "./systemd_bus.ts";
import { SystemdCgroupDriver } from "./systemd_driver.ts";

export interface NodeCgroupOptions {
  /** Default: cgroupfs. */
  driver?: CgroupDriver["name"];
  /** Parent of pods whose request names none. */
  defaultParent: string;
}

/** The driver for this node's cgroups, v1 (hybrid included) or v2. */
export function createCgroupDriver(
  kernel: Kernel,
  { driver = "cgroupfs", defaultParent }: NodeCgroupOptions,
): CgroupDriver {
  const hierarchies = findHierarchies(kernel);
  return driver === "systemd"
    ? new SystemdCgroupDriver(kernel, hierarchies, new SystemdBus(), { defaultParent })
    : new CgroupfsDriver(kernel, hierarchies, { defaultParent });
}
