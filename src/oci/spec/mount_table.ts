import type { Kernel } from "../../sys/kernel.ts";
import { type MountInfo, mountsBelow } from "../../sys/mod.ts";
import { isWithin } from "./paths.ts";

export type Propagation = "shared" | "slave" | "private";

/** The mount that shows `path` (absolute, without symlinks): the longest mount point; of two at one place the later covers. */
export function mountOf(table: MountInfo[], path: string): MountInfo | undefined {
  let best: MountInfo | undefined;
  for (const entry of table) {
    if (isWithin(path, entry.mountPoint) && (!best || entry.mountPoint.length >= best.mountPoint.length)) best = entry;
  }
  return best;
}

export function propagationOf(mount: MountInfo | undefined): Propagation {
  if (mount?.propagation.some((tag) => tag.startsWith("shared:"))) return "shared";
  return mount?.propagation.some((tag) => tag.startsWith("master:")) ? "slave" : "private";
}

/** The mounts of the daemon's own namespace. */
export function readMountTable(kernel: Kernel): MountInfo[] {
  return mountsBelow("/", kernel);
}
