import type { Kernel } from "../../sys/kernel.ts";
import { Errno } from "../../sys/mod.ts";
import type { CgroupDriver, CgroupPlacement } from "../types.ts";

/** A tenth of what a cgroup has by default (100 of v2, 1024 and 500 of v1), by controller. */
const WEIGHTS: Record<string, Record<string, string>> = {
  "": { "cpu.weight": "10", "io.weight": "default 10" },
  cpu: { "cpu.shares": "102" },
  blkio: { "blkio.weight": "50" },
};

/** Which of our own programs can wait. */
export interface BackgroundCgroup {
  /** Moves a process in: it gets what processor and disk time others leave, and never at the cost of those who answer. */
  attach(pid: number): Promise<void>;
  /** Removes the cgroup, if nothing is in it any more. */
  removeEmpty(): void | Promise<void>;
}

/** Makes the cgroup, in the hierarchies that share out time; where a weight cannot be set the kernel's default holds. */
export async function createBackgroundCgroup(
  kernel: Kernel,
  driver: CgroupDriver,
  whole: CgroupPlacement,
): Promise<BackgroundCgroup> {
  const shared = Object.entries(whole.paths).filter(([controller]) => controller in WEIGHTS);
  const placement = { ...whole, paths: Object.fromEntries(shared) };
  const make = async () => {
    await driver.create(placement, "background");
    // systemd has set them, and would set them again to what it knows.
    if (placement.unit === undefined) setWeights(kernel, shared);
  };
  await make();
  return {
    attach: async (pid) => {
      if (!driver.exists(placement)) await make();
      await driver.attach(placement, pid);
    },
    removeEmpty: () => driver.removeEmpty(placement),
  };
}

function setWeights(kernel: Kernel, shared: [string, string][]): void {
  for (const [controller, folder] of shared) {
    for (const [file, weight] of Object.entries(WEIGHTS[controller])) {
      try {
        kernel.writeControl(`${folder}/${file}`, weight);
      } catch (error) {
        // Which of these files there are, and work, depends on the kernel and its I/O scheduler.
        if (!(error instanceof Errno)) throw error;
      }
    }
  }
}
