import type { CgroupDriver, CgroupPlacement } from "../oci/types.ts";
import type { Context } from "./context.ts";
import type { Job } from "./jobs.ts";
import type { SandboxRecord } from "./types.ts";

/** The cgroup that a pod's containers are in. The kubelet makes it; others may leave that to us. Undefined: the root. */
export function podPlacement(cgroups: CgroupDriver, cgroupParent: string): CgroupPlacement | undefined {
  const parts = cgroupParent.split("/").filter((part) => part !== "");
  const name = parts.pop();
  return name === undefined ? undefined : cgroups.place(`/${parts.join("/")}`, name);
}

/** Makes what is missing of the pod's cgroup and its parents, and notes it: what we made is ours to remove. */
export function makePodCgroup(context: Context, job: Job, record: SandboxRecord): void {
  const { cgroups } = context;
  const parts = record.cgroupParent.split("/").filter((part) => part !== "");
  const prefixes = parts.map((_, index) => `/${parts.slice(0, index + 1).join("/")}`);
  record.madeCgroups = prefixes.filter((prefix) =>
    madeByAnother(context, prefix) || !cgroups.exists(podPlacement(cgroups, prefix)!)
  );
  if (record.madeCgroups.length === 0) return;
  for (const path of record.madeCgroups) job.undo("empty-cgroup", { path });
  cgroups.create(podPlacement(cgroups, record.cgroupParent)!);
}

/** A parent shared by pods goes with the last of them, also if the one that made it is not finished or never will be. */
function madeByAnother({ catalog, store }: Context, path: string): boolean {
  for (const { record } of catalog.sandboxes.values()) if (record.madeCgroups?.includes(path)) return true;
  return store.journal().some(({ kind, args }) => kind === "empty-cgroup" && (args as { path: string }).path === path);
}

/** Removes what we made of it and what nobody else is in. */
export function removePodCgroup({ cgroups }: Pick<Context, "cgroups">, made: string[]): void {
  for (const path of made.toReversed()) cgroups.removeEmpty(podPlacement(cgroups, path)!);
}
