/** Specs that may skip themselves: what the machine or the runtime under test does not have, each with its reason. */
import type { Spec } from "./junit.ts";
import type { RuntimeName } from "./runtimes.ts";

export interface AllowedSkip {
  /** Every spec whose name begins so… */
  name: string;
  /** …and no more than this many. */
  count: number;
  why: string;
}

const everywhere: AllowedSkip[] = [
  { name: "AppArmor ", count: 9, why: "critest asks the kernel, and this one has no AppArmor" },
  { name: "NRI ", count: 13, why: "needs -nri-socket" },
];

const byRuntime: Record<RuntimeName, AllowedSkip[]> = {
  "runc": [],
  "runc-debian": [
    { name: "Security Context UserNamespaces ", count: 6, why: "runc 1.1 cannot map the IDs of a pod's volumes" },
  ],
  "crun": [],
};

const onPeer: AllowedSkip[] = [{
  name: "Image Volume [Feature:ImageVolume] should return image digest in ContainerStatus mounts",
  count: 1,
  why: "containerd 2.4.2 does not report an image volume's digest",
}];

/** Skips without a place in the list. On a machine with AppArmor its specs run, and that is no fault. */
export function unexpectedSkips(specs: Spec[], runtime: RuntimeName, peer: boolean): Spec[] {
  const left = [...everywhere, ...byRuntime[runtime], ...(peer ? onPeer : [])].map((allowed) => ({ ...allowed }));
  return specs.filter((spec) => {
    if (spec.outcome !== "skipped") return false;
    const allowed = left.find(({ name, count }) => count > 0 && spec.name.startsWith(name));
    if (allowed) allowed.count--;
    return !allowed;
  });
}
