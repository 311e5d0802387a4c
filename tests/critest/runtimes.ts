/** The OCI runtimes that critest is run with. */
import { tools } from "../support/tools.ts";

export const runtimes = {
  /** The current release, built by the set-up. */
  "runc": tools.runcRelease,
  "crun": tools.crun,
  "runc-debian": tools.runc,
};

export type RuntimeName = keyof typeof runtimes;

export const isRuntimeName = (name: string): name is RuntimeName => Object.hasOwn(runtimes, name);
