/** Checks of a cluster as steps of a test. */
import type { AttachedCluster } from "./attached.ts";
import type { Check } from "./check.ts";
import { type CheckResult, runCheck } from "./runner.ts";

/** Of a program's log, when a check has failed. */
const LOG_END = 3_000;
/** Checks run side by side, so what one of them opens is no leak of another. */
export const free = { sanitizeOps: false, sanitizeResources: false, sanitizeExit: false };

/** Runs the checks, `parallel` of them at a time, and adds what became of each to `results`. */
export async function runSteps(
  test: Deno.TestContext,
  cluster: AttachedCluster,
  chosen: Check[],
  parallel: number,
  results: CheckResult[],
): Promise<void> {
  const queue = chosen.filter((check) => !check.alone);
  const take = (check: Check) =>
    test.step({
      name: check.name,
      ignore: skipped(check, results, cluster),
      ...free,
      fn: async () => {
        const result = await runCheck(cluster, check);
        results.push(result);
        if (result.state !== "failed") return;
        // In the error itself: what a step prints is not shown where the tests of a suite are run together.
        const ends = (["daemon", "kubelet"] as const).map(async (program) =>
          `the ${program}'s log ends with:\n${(await cluster.log(program)).slice(-LOG_END)}`
        );
        throw new Error([result.reason, ...await Promise.all(ends)].join("\n"));
      },
    });
  const worker = async () => {
    for (let check = queue.shift(); check; check = queue.shift()) await take(check);
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  for (const check of chosen.filter((check) => check.alone)) await take(check);
}

/** Counted, with its reason told, and not run. */
function skipped(check: Check, results: CheckResult[], cluster: AttachedCluster): boolean {
  const reason = check.unavailable?.(cluster);
  if (reason === undefined) return false;
  results.push({ name: check.name, item: check.item, state: "skipped", reason, seconds: 0 });
  console.log(`skipped: ${check.name}: ${reason}`);
  return true;
}
