import type { Kernel } from "../../sys/kernel.ts";
import type { CgroupDriver, CgroupPlacement } from "../types.ts";
import { type BackgroundCgroup, createBackgroundCgroup } from "./background.ts";

export interface OwnCgroups {
  /** Of all monitors. */
  monitors: CgroupPlacement;
  /** Of what fetches images. */
  pulls: BackgroundCgroup;
}

/** Makes the cgroups of our own programs below `parent`; what of them is empty goes with `stack`. */
export async function makeOwnCgroups(
  kernel: Kernel,
  driver: CgroupDriver,
  parent: string,
  stack: AsyncDisposableStack,
): Promise<OwnCgroups> {
  const above = driver.parentOf(parent);
  const [monitors, pulling] = ["monitors", "pulls"].map((name) => driver.placeParent(childOf(above, name)));
  await driver.create(monitors);
  const pulls = await createBackgroundCgroup(kernel, driver, pulling);
  stack.defer(async () => {
    await driver.removeEmpty(monitors);
    await pulls.removeEmpty();
    await driver.removeEmpty(driver.placeParent(above));
  });
  return { monitors, pulls };
}

/** A slice's children have its name before theirs. */
function childOf(path: string, name: string): string {
  const slice = /([^/]+)\.slice$/.exec(path)?.[1];
  return slice === undefined ? `${path}/${name}` : `${path}/${slice}-${name}.slice`;
}
