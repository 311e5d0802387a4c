import type { Kernel } from "../../sys/kernel.ts";
import type { CgroupDriver, CgroupPlacement } from "../types.ts";
import { type BackgroundCgroup, createBackgroundCgroup } from "./background.ts";

export interface OwnCgroups {
  /** Of all monitors. */
  monitors: CgroupPlacement;
  /** Of what fetches images. */
  pulls: BackgroundCgroup;
}

/** Makes the cgroups of our own programs, monitors below `parent`, pulls beside it; what of them is empty goes with `stack`. */
export async function makeOwnCgroups(
  kernel: Kernel,
  driver: CgroupDriver,
  parent: string,
  stack: AsyncDisposableStack,
): Promise<OwnCgroups> {
  const above = driver.parentOf(parent);
  const monitors = driver.placeParent(childOf(above, "monitors"));
  const pulling = driver.placeParent(pullsOf(above));
  const made = driver.name === "systemd" ? upFrom(above) : [above];
  await driver.create(monitors);
  const pulls = await createBackgroundCgroup(kernel, driver, pulling);
  stack.defer(async () => {
    await driver.removeEmpty(monitors);
    await pulls.removeEmpty();
    for (const path of made) await driver.removeEmpty(driver.placeParent(path));
  });
  return { monitors, pulls };
}

/** systemd makes the slices that a slice is in without being asked, and keeps them. */
function upFrom(path: string): string[] {
  const parts = path.split("/");
  return parts.slice(1).map((_, index) => parts.slice(0, parts.length - index).join("/"));
}

/**
 * A weight counts among siblings alone: below the monitors, who seldom want a processor, pulls would have the weight of
 * all of them, and take it from the pods. systemd nests slices by the dashes in their names, so there it is another sign.
 */
function pullsOf(path: string): string {
  return path.endsWith(".slice") ? path.replace(/\.slice$/, "_pulls.slice") : `${path}-pulls`;
}

/** A slice's children have its name before theirs. */
function childOf(path: string, name: string): string {
  const slice = /([^/]+)\.slice$/.exec(path)?.[1];
  return slice === undefined ? `${path}/${name}` : `${path}/${slice}-${name}.slice`;
}
