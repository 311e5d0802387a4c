import type { Mount } from "../spec.ts";
import { defaultMounts } from "./default_mounts.ts";
import { makeDirectoryInRoot } from "./in_root.ts";
import { absolutePath, depth, isWithin } from "./paths.ts";
import { requestMounts } from "./request_mounts.ts";
import type { Section } from "./section.ts";

export interface MountSection {
  mounts: Mount[];
  rootfsPropagation?: string;
}

/** Every mount of the container, parents before children, so that none hides another. */
export function mountSection(section: Section): MountSection {
  const { mounts: requested, rootfsPropagation } = requestMounts(section);
  const defaults = defaultMounts(section).filter((mount) => !isReplaced(mount.destination, requested));
  const mounts = [...defaults, ...requested].sort((a, b) => depth(a.destination) - depth(b.destination));
  makeVolumeFolders(section, mounts);
  return { mounts, rootfsPropagation };
}

/** A request that mounts /dev, /sys or one of the files of the pod wants its own there, with all that is below. */
function isReplaced(destination: string, requested: Mount[]): boolean {
  return requested.some((mount) =>
    isWithin(destination, mount.destination) && mount.destination !== "/" && ownsWhole(mount.destination, destination)
  );
}

function ownsWhole(requested: string, destination: string): boolean {
  return requested === destination || requested === "/dev" || requested === "/sys" || requested === "/proc";
}

/** VOLUMEs of the image are folders of the writable layer: Kubernetes has volumes of its own. */
function makeVolumeFolders({ input, kernel }: Section, mounts: Mount[]): void {
  for (const volume of input.image.volumes) {
    const path = absolutePath("VOLUME of the image", volume);
    if (mounts.some((mount) => isWithin(path, mount.destination))) continue;
    makeDirectoryInRoot(kernel, input.rootfs, path);
  }
}
