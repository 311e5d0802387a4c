/**
 * A whole Kubernetes cluster of one node in the guest, by the program that starts one on the host: what it runs on, the cgroup
 * driver above all, is what process 1 is. Then checks of what depends on that, and the cluster goes without a trace.
 */
import { assertEquals } from "@std/assert";
import { checks } from "../kubelet/checks.ts";
import { defaults } from "../kubelet/options.ts";
import { type CheckResult, count } from "../kubelet/runner.ts";
import { free, runSteps } from "../kubelet/steps.ts";
import { down, up } from "../kubelet/up_down.ts";
import { difference, snapshot } from "../support/leftovers.ts";
import { summarize } from "../support/summary.ts";
import { exists } from "../support/tools.ts";
import { unitsLike } from "../support/units.ts";
import { chosenChecks } from "./checks.ts";

const NAME = "guest";
/** There are two processors, and much of a check is waiting. */
const PARALLEL = 2;
const cgroupDriver = exists("/run/systemd/system") ? "systemd" : "cgroupfs";

Deno.test({
  name: `a cluster with ${cgroupDriver}`,
  ...free,
  async fn(test) {
    const before = await snapshot();
    const cluster = await up({ ...defaults, name: NAME, cgroupDriver, addons: false, owner: Deno.pid }, console.log);
    const results: CheckResult[] = [];
    try {
      assertEquals([cluster.cgroup, cluster.cgroupDriver], [2, cgroupDriver]);
      await runSteps(test, cluster, chosenChecks(checks), PARALLEL, results);
    } finally {
      summarize(`a cluster with ${cgroupDriver}, up in ${(cluster.upMs / 1000).toFixed(0)} s: ${count(results)}`);
      await down(NAME);
    }
    await test.step({
      name: "nothing is left of it",
      ...free,
      async fn() {
        assertEquals(difference(before, await snapshot()), []);
        if (cgroupDriver !== "systemd") return;
        for (const pattern of ["skiff*", "kubepods*"]) assertEquals(await unitsLike(pattern), []);
      },
    });
  },
});
