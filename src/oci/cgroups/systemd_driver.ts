import type { Kernel } from "../../sys/kernel.ts";
import { Errno, ESRCH } from "../../sys/mod.ts";
import type { CgroupDriver, CgroupPlacement, CgroupShare } from "../types.ts";
import { type CgroupDriverOptions, CgroupfsDriver } from "./cgroupfs_driver.ts";
import { cgroupTree, processesOf } from "./folders.ts";
import type { Hierarchies } from "./hierarchies.ts";
import { checkCgroupName } from "./placement.ts";
import { isSlicePath, parseSlice, scopeName } from "./slices.ts";
import type { UnitProperty, Units } from "./units.ts";

const PARENT_FIELD = "cgroup_parent";

/** Without accounting, systemd leaves a unit's controllers off, and there is nothing to read. */
const ACCOUNTING: UnitProperty[] = ["CPUAccounting", "MemoryAccounting", "TasksAccounting", "IOAccounting"].map((
  name,
) => [name, "b", true]);

/**
 * What is not told otherwise ends with shutdown.target, long before the services that use it; systemd forgets one that has
 * failed as it forgets one that has ended.
 */
const OURS: UnitProperty[] = [["DefaultDependencies", "b", false], ["CollectMode", "s", "inactive-or-failed"]];

/** A tenth of what a unit has by default. */
const BACKGROUND: UnitProperty[] = [["CPUWeight", "t", 10n], ["IOWeight", "t", 10n]];

/**
 * cgroups as systemd's slices and scopes. Pods are slices, which the kubelet makes; a container's scope is made by its OCI
 * runtime, which is told so by the form of `cgroupsPath` and by its flag; monitors and pulls get scopes here.
 */
export class SystemdCgroupDriver implements CgroupDriver {
  readonly name = "systemd";
  readonly version: 1 | 2;
  readonly controllers: Set<string>;
  readonly #kernel: Kernel;
  readonly #folders: CgroupfsDriver;
  readonly #units: Units;
  readonly #defaultParent: string;
  #scopes = 0;

  constructor(kernel: Kernel, hierarchies: Hierarchies, units: Units, { defaultParent }: CgroupDriverOptions) {
    this.#kernel = kernel;
    this.#folders = new CgroupfsDriver(kernel, hierarchies, { defaultParent: "/" });
    this.#units = units;
    this.version = hierarchies.version;
    this.controllers = hierarchies.controllers;
    this.#defaultParent = parseSlice("defaultCgroupParent", defaultParent).path;
  }

  parentOf(requested: string): string {
    return requested === "" ? this.#defaultParent : parseSlice(PARENT_FIELD, requested).path;
  }

  place(parent: string, id: string): CgroupPlacement {
    const slice = parseSlice(PARENT_FIELD, this.parentOf(parent));
    const unit = scopeName(checkCgroupName(id));
    return { ...this.#at(`${slice.path}/${unit}`), cgroupsPath: `${slice.name}:skiff:${id}`, unit };
  }

  placeParent(path: string): CgroupPlacement {
    // What was made when another driver was configured still has to be found and removed.
    if (!isSlicePath(path)) return this.#folders.placeParent(path);
    const { name, path: expanded } = parseSlice(PARENT_FIELD, path);
    return { ...this.#at(expanded), unit: name };
  }

  #at(path: string): CgroupPlacement {
    return { ...this.#folders.placeParent(path), path };
  }

  async create(placement: CgroupPlacement, share?: CgroupShare): Promise<void> {
    const { unit } = placement;
    if (unit === undefined) return this.#folders.create(placement);
    const weights = share === "background" ? BACKGROUND : [];
    await this.#units.start(unit, [["Description", "s", "skiff"], ...OURS, ...ACCOUNTING, ...weights]);
    // One that was there already has the weights of whoever made it.
    if (weights.length > 0) await this.#units.set(unit, weights);
  }

  async attach({ unit: slice }: CgroupPlacement, pid: number, name?: string): Promise<void> {
    const unit = scopeName(name ?? `${pid}-${Date.now().toString(36)}-${++this.#scopes}`);
    try {
      await this.#units.start(unit, [
        ["Description", "s", `skiff ${name ?? pid}`],
        ...OURS,
        ["Slice", "s", slice!],
        ["PIDs", "au", [pid]],
      ]);
    } catch (error) {
      if (!this.#kernel.exists(`/proc/${pid}`)) throw new Errno("StartTransientUnit", ESRCH, "No such process", unit);
      throw error;
    }
  }

  async remove(placement: CgroupPlacement): Promise<void> {
    // Killed here and not by systemd, which would ask nicely first, and wait.
    await this.#folders.remove(placement);
    if (placement.unit !== undefined) await this.#units.stop(placement.unit);
  }

  /** systemd stops what is in a slice with it: only one in which nothing is, and nothing is about to be, is stopped. */
  async removeEmpty(placement: CgroupPlacement): Promise<void> {
    const { unit } = placement;
    if (unit === undefined) return this.#folders.removeEmpty(placement);
    if (this.#isUsed(placement)) return;
    await this.#units.stop(unit, { gently: true });
    if (!this.#isUsed(placement)) this.#folders.removeEmpty(placement);
  }

  #isUsed({ paths }: CgroupPlacement): boolean {
    return [...new Set(Object.values(paths))].some((folder) => {
      const tree = cgroupTree(this.#kernel, folder);
      return tree.length > 1 || (tree.length === 1 && processesOf(this.#kernel, folder).length > 0);
    });
  }

  exists(placement: CgroupPlacement): boolean {
    return this.#folders.exists(placement);
  }

  processes(placement: CgroupPlacement): number[] {
    return this.#folders.processes(placement);
  }

  oomKilled(placement: CgroupPlacement): boolean {
    return this.#folders.oomKilled(placement);
  }
}
