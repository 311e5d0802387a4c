import type { Kernel } from "../../sys/kernel.ts";
import { ENOENT, isErrno } from "../../sys/mod.ts";
import type { CgroupDriver, CgroupPlacement } from "../types.ts";
import { cgroupTree, makeFolders, processesOf, removeFolder, removeFolderIfEmpty } from "./folders.ts";
import { unlessGone } from "../unless_gone.ts";
import type { Hierarchies } from "./hierarchies.ts";
import { checkCgroupName, checkParent } from "./placement.ts";

export interface CgroupDriverOptions {
  /** Parent of pods whose request names none. */
  defaultParent: string;
}

/** Below the mount points. */
const pathOf = ({ path, cgroupsPath }: CgroupPlacement) => path ?? cgroupsPath;

/** cgroups as plain folders (cgroupfs), as the kubelet's driver of the same name has them. */
export class CgroupfsDriver implements CgroupDriver {
  readonly name = "cgroupfs";
  readonly version: 1 | 2;
  readonly controllers: Set<string>;
  readonly #kernel: Kernel;
  readonly #hierarchies: Hierarchies;
  readonly #defaultParent: string;

  constructor(kernel: Kernel, hierarchies: Hierarchies, { defaultParent }: CgroupDriverOptions) {
    this.#kernel = kernel;
    this.#hierarchies = hierarchies;
    this.version = hierarchies.version;
    this.controllers = hierarchies.controllers;
    this.#defaultParent = checkParent(defaultParent || "/");
  }

  parentOf(requested: string): string {
    return requested === "" ? this.#defaultParent : checkParent(requested);
  }

  place(parent: string, id: string): CgroupPlacement {
    return this.placeParent(`${this.parentOf(parent)}/${checkCgroupName(id)}`);
  }

  placeParent(cgroupsPath: string): CgroupPlacement {
    const paths = Object.entries(this.#hierarchies.mounts).map((
      [controller, mount],
    ) => [controller, mount + cgroupsPath]);
    return { cgroupsPath, paths: Object.fromEntries(paths) };
  }

  create(placement: CgroupPlacement): void {
    if (this.version === 2) return this.#createUnified(placement);
    const { mounts } = this.#hierarchies;
    for (const [controller, path] of Object.entries(placement.paths)) {
      makeFolders(this.#kernel, mounts[controller], path, (folder) => {
        if (controller === "cpuset") this.#inheritCpuset(folder);
      });
    }
    for (const mount of this.#hierarchies.others) {
      makeFolders(this.#kernel, mount, mount + pathOf(placement), () => {});
    }
  }

  async attach(placement: CgroupPlacement, pid: number): Promise<void> {
    try {
      await this.#enter(placement, pid);
    } catch (error) {
      if (!isErrno(error, ENOENT)) throw error;
      // While it was empty, anybody could remove it.
      this.create(placement);
      await this.#enter(placement, pid);
    }
  }

  async #enter(placement: CgroupPlacement, pid: number): Promise<void> {
    const files = [...this.#everywhere(placement)].map((path) => `${path}/cgroup.procs`);
    await Promise.all(files.map((file) => this.#kernel.writeControlOffThread(file, String(pid))));
  }

  async remove(placement: CgroupPlacement): Promise<void> {
    for (const folder of this.#everywhere(placement)) await removeFolder(this.#kernel, folder);
  }

  removeEmpty(placement: CgroupPlacement): void {
    for (const folder of this.#everywhere(placement)) removeFolderIfEmpty(this.#kernel, folder);
  }

  exists(placement: CgroupPlacement): boolean {
    return this.#kernel.exists(this.#mainPath(placement));
  }

  /** One folder per mount: controllers may share one, and in those of others (systemd's) runtimes make cgroups, too. */
  #everywhere(placement: CgroupPlacement): Set<string> {
    const others = this.#hierarchies.others.map((mount) => mount + pathOf(placement));
    return new Set([...Object.values(placement.paths), ...others]);
  }

  processes(placement: CgroupPlacement): number[] {
    const found = cgroupTree(this.#kernel, this.#mainPath(placement)).flatMap((folder) =>
      processesOf(this.#kernel, folder)
    );
    return [...new Set(found)];
  }

  oomKilled(placement: CgroupPlacement): boolean {
    const path = placement.paths.memory ?? placement.paths[""];
    if (path === undefined) return false;
    const file = this.version === 2 ? "memory.events" : "memory.oom_control";
    const text = unlessGone(() => this.#kernel.readText(`${path}/${file}`)) ?? "";
    return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0) > 0;
  }

  #mainPath({ paths }: CgroupPlacement): string {
    return paths[""] ?? paths.pids ?? paths.memory ?? Object.values(paths)[0];
  }

  /** A v2 cgroup has the controllers that every one of its parents hands down. */
  #createUnified({ paths }: CgroupPlacement): void {
    const mount = this.#hierarchies.mounts[""];
    const wanted = this.#kernel.readText(`${mount}/cgroup.controllers`).trim().split(" ").filter((name) => name !== "");
    const handDown = (folder: string) => {
      const enabled = this.#kernel.readText(`${folder}/cgroup.subtree_control`).trim().split(" ");
      const missing = wanted.filter((name) => !enabled.includes(name));
      if (missing.length > 0) {
        this.#kernel.writeControl(
          `${folder}/cgroup.subtree_control`,
          missing.map((name) => `+${name}`).join(" "),
        );
      }
    };
    handDown(mount);
    makeFolders(this.#kernel, mount, paths[""], (folder) => {
      if (folder !== paths[""]) handDown(folder);
    });
  }

  /** A v1 cpuset starts empty, and no process can enter an empty one. */
  #inheritCpuset(folder: string): void {
    const parent = folder.slice(0, folder.lastIndexOf("/"));
    for (const file of ["cpuset.cpus", "cpuset.mems"]) {
      if (this.#kernel.readText(`${folder}/${file}`).trim() !== "") continue;
      this.#kernel.writeControl(`${folder}/${file}`, this.#kernel.readText(`${parent}/${file}`).trim());
    }
  }
}
