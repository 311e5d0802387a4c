/** Cgroup directories of a test node, in every hierarchy of the machine. */
const base = "/sys/fs/cgroup";

function names(dir: string): string[] {
  try {
    return [...Deno.readDirSync(dir)].filter((entry) => entry.isDirectory).map((entry) => entry.name);
  } catch {
    return [];
  }
}

/** Mount points of all hierarchies: one on pure v2, one per controller (and `systemd`, `unified`) on v1. */
export function hierarchies(): string[] {
  try {
    Deno.statSync(`${base}/cgroup.controllers`);
    return [base];
  } catch {
    return names(base).map((name) => `${base}/${name}`);
  }
}

/** Every cgroup directory at and below `path`, children after their parents, in all hierarchies. */
export function cgroupsBelow(path: string): string[] {
  const found: string[] = [];
  const walk = (dir: string) => {
    found.push(dir);
    for (const name of names(dir)) walk(`${dir}/${name}`);
  };
  for (const top of hierarchies()) {
    const dir = path === "/" ? top : `${top}${path}`;
    try {
      Deno.statSync(dir);
    } catch {
      continue;
    }
    walk(dir);
  }
  return found;
}

/** Makes `path` in every v1 hierarchy (on v2: in the one there is, with all controllers) and returns the directories. */
export function makeCgroup(path: string): string[] {
  const made: string[] = [];
  for (const top of hierarchies()) {
    if (top.endsWith("/unified")) continue;
    let dir = top;
    for (const part of path.split("/").filter(Boolean)) {
      const parent = dir;
      if (top === base) handDown(parent);
      dir = `${dir}/${part}`;
      Deno.mkdirSync(dir, { recursive: true });
      // A cpuset without CPUs and memory nodes takes no process.
      for (const file of ["cpuset.cpus", "cpuset.mems"]) {
        try {
          if (Deno.readTextFileSync(`${dir}/${file}`).trim() === "") {
            Deno.writeTextFileSync(`${dir}/${file}`, Deno.readTextFileSync(`${parent}/${file}`));
          }
        } catch {
          // Another hierarchy.
        }
      }
    }
    made.push(dir);
  }
  return made;
}

/** On v2, a cgroup has the controllers that its parent gives to its children. */
function handDown(parent: string): void {
  const controllers = Deno.readTextFileSync(`${parent}/cgroup.controllers`).trim().split(" ");
  Deno.writeTextFileSync(`${parent}/cgroup.subtree_control`, controllers.map((name) => `+${name}`).join(" "));
}

/** Pids at and below `path`, in whichever hierarchy they are. */
export function processesIn(path: string): number[] {
  const pids = new Set<number>();
  for (const dir of cgroupsBelow(path)) {
    try {
      for (const line of Deno.readTextFileSync(`${dir}/cgroup.procs`).split("\n")) if (line) pids.add(Number(line));
    } catch {
      // Gone meanwhile.
    }
  }
  return [...pids];
}

/** SIGKILL to everything at and below `path`, again until nothing is there. */
export async function killCgroup(path: string): Promise<void> {
  for (let round = 0; round < 200; round++) {
    const pids = processesIn(path);
    if (pids.length === 0) return;
    for (const pid of pids) {
      try {
        Deno.kill(pid, "SIGKILL");
      } catch {
        // Gone meanwhile.
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`processes in ${path} outlive SIGKILL: ${processesIn(path).join(", ")}`);
}

/** Removes the directories at and below `path`; throws where a process still sits in one. The dying are waited for. */
export async function removeCgroup(path: string): Promise<void> {
  for (const dir of cgroupsBelow(path).reverse()) {
    for (let round = 0;; round++) {
      try {
        Deno.removeSync(dir);
        break;
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) break;
        if (round === 100) throw error;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }
}

/** As systemd's CPUWeight (100 is the default), for the directories of one cgroup. */
export function setCpuWeight(dirs: string[], weight: number): void {
  // 1024 shares of v1 are the weight 100 of v2.
  const files = { "cpu.weight": String(weight), "cpu.shares": String(Math.round(weight * 10.24)) };
  for (const dir of dirs) {
    for (const [file, value] of Object.entries(files)) {
      try {
        Deno.writeTextFileSync(`${dir}/${file}`, value, { create: false });
      } catch (error) {
        // Another hierarchy.
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
  }
}

/** Processor time that everything at and below `path` has used so far, in milliseconds; 0 where there is no such cgroup. */
export function cpuMilliseconds(path: string): number {
  for (const top of hierarchies()) {
    try {
      return Number(Deno.readTextFileSync(`${top}${path}/cpuacct.usage`)) / 1e6;
    } catch {
      // Another hierarchy, or version 2.
    }
    try {
      const usage = /^usage_usec (\d+)$/m.exec(Deno.readTextFileSync(`${top}${path}/cpu.stat`));
      if (usage) return Number(usage[1]) / 1000;
    } catch {
      // Another hierarchy.
    }
  }
  return 0;
}
