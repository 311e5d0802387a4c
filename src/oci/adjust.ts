import { clampOomScoreAdj, clampRlimit } from "./spec/limits.ts";
import type { Spec } from "./spec.ts";
import type { Adjuster, SpecInput } from "./types.ts";
import { lowestVersion } from "./version.ts";

/** What an adjuster before it has asked for must still be something that this node can give. */
export const withinNode: Adjuster = (spec, { node }) => {
  const { process } = spec;
  if (process.oomScoreAdj !== undefined) process.oomScoreAdj = clampOomScoreAdj(process.oomScoreAdj, node, []);
  process.rlimits = process.rlimits?.map((limit) => clampRlimit(limit, node));
};

/** In the order in which they run. */
export const ADJUSTERS: readonly Adjuster[] = [withinNode];

/** Runs the adjusters on a built spec; the first refusal ends it. Validate the spec again afterwards. */
export function adjust(spec: Spec, input: SpecInput, adjusters: readonly Adjuster[]): void {
  for (const adjuster of adjusters) adjuster(spec, input);
  spec.ociVersion = lowestVersion(spec);
}
