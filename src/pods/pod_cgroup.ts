import type { CgroupDriver, CgroupPlacement } from "../oci/types.ts";
import type { Context } from "./context.ts";
import type { Job } from "./jobs.ts";
import type { SandboxRecord } from "./types.ts";

/** The cgroup that a pod's containers are in. The kubelet makes it; others may leave that to us. Undefined: the root. */
export function podPlacement(cgroups: CgroupDriver, cgroupParent: string): CgroupPlacement | undefined {
  return prefixesOf(cgroupParent).length === 0 ? undefined : cgroups.placeParent(cgroupParent);
}

/** The cgroup itself and all above it, from the top. */
function prefixesOf(cgroupParent: string): string[] {
  const parts = cgroupParent.split("/").filter((part) => part !== "");
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join("/")}`);
}

/** Makes what is missing of the pod's cgroup and its parents, and notes it: what we made is ours to remove. */
export async function makePodCgroup(context: Context, job: Job, record: SandboxRecord): Promise<void> {
  const { cgroups } = context;
  record.madeCgroups = prefixesOf(record.cgroupParent).filter((prefix) =>
    usersOf(context, prefix) > 0 || !cgroups.exists(podPlacement(cgroups, prefix)!)
  );
  if (record.madeCgroups.length === 0) return;
  for (const path of record.madeCgroups) job.undo("empty-cgroup", { path });
  await cgroups.create(podPlacement(cgroups, record.cgroupParent)!);
}

/**
 * Pods for which this was made, those that are not finished, or never will be, included: a parent that they share goes with
 * the last of them.
 */
function usersOf({ catalog, store }: Pick<Context, "catalog" | "store">, path: string): number {
  const finished = [...catalog.sandboxes.values()].filter(({ record }) => record.madeCgroups?.includes(path));
  const begun = store.journal().filter(({ kind, args }) =>
    kind === "empty-cgroup" && (args as { path: string }).path === path
  );
  return finished.length + begun.length;
}

type Means = Pick<Context, "cgroups" | "catalog" | "store">;

/** Removes what was made for a pod that goes, and that nobody else is in. */
export async function removePodCgroup(context: Means, record: SandboxRecord): Promise<void> {
  const made = record.madeCgroups ?? [];
  // Not counted any more: of two pods that go at the same time, one has to be the last.
  record.madeCgroups = [];
  try {
    for (const path of made.toReversed()) await removeUnlessUsed(context, path, 0);
  } catch (error) {
    record.madeCgroups = made;
    throw error;
  }
}

/** The same for one that was never finished: its entry in the journal is still there. */
export function undoPodCgroup(context: Means, path: string): Promise<void> {
  return removeUnlessUsed(context, path, 1);
}

/** systemd stops what begins in a slice between our look and its own, so it is not asked while a pod may begin there. */
async function removeUnlessUsed(context: Means, path: string, own: number): Promise<void> {
  const { cgroups } = context;
  if (cgroups.name === "systemd" && usersOf(context, path) > own) return;
  await cgroups.removeEmpty(podPlacement(cgroups, path)!);
}
