/** The cgroup of a container or pod, read from its files. */
import { cgroupsBelow } from "../../support/cgroups.ts";

export class Cgroup {
  constructor(readonly path: string) {}

  /** Of a container, or of a pod's pause process, by its ID. The monitor's scope has the ID in its name, too. */
  static of(id: string): Cgroup {
    const path = cgroupsBelow("/").find((one) => one.includes(id) && !one.includes("skiff-conmon-"));
    if (path === undefined) throw new Error(`there is no cgroup of ${id}`);
    return new Cgroup(path);
  }

  read(file: string): string {
    return Deno.readTextFileSync(`${this.path}/${file}`).trim();
  }

  readAll<File extends string>(...files: File[]): Record<File, string> {
    return Object.fromEntries(files.map((file) => [file, this.read(file)])) as Record<File, string>;
  }

  number(file: string): number {
    return Number(this.read(file));
  }

  /** Of a file with lines of `key value`. */
  value(file: string, key: string): number {
    const found = this.read(file).split("\n").find((line) => line.startsWith(`${key} `));
    if (found === undefined) throw new Error(`${this.path}/${file} has no ${key}`);
    return Number(found.slice(key.length + 1));
  }

  /** Microseconds that `kind` of a pressure file has counted. */
  pressure(resource: string, kind: "some" | "full"): number {
    const line = this.read(`${resource}.pressure`).split("\n").find((one) => one.startsWith(kind));
    return Number(/total=(\d+)/.exec(line ?? "")?.[1] ?? NaN);
  }

  get processes(): number[] {
    return this.read("cgroup.procs").split("\n").filter((line) => line !== "").map(Number);
  }
}

/** A file of the first process in the container's cgroup. */
export function processFile(id: string, file: string): string {
  return Deno.readTextFileSync(`/proc/${Cgroup.of(id).processes[0]}/${file}`).trim();
}
