/** A whole cluster comes up on the compiled binary, every check runs in it, and it goes without a trace. */
import { summarize } from "../support/summary.ts";
import { onSkiff, peer } from "../support/runtime_under_test.ts";
import { exists } from "../support/tools.ts";
import { checks } from "./checks.ts";
import { coreOf } from "./core.ts";
import { type ClusterOptions, defaults, programs } from "./options.ts";
import { type CheckResult, choose, count } from "./runner.ts";
import { free, runSteps } from "./steps.ts";
import { down, up } from "./up_down.ts";

const full = Deno.env.get("SKIFF_TEST_FULL") === "1";
const core = Deno.env.get("SKIFF_TEST_CORE") === "1";
/** Most of a check is waiting. */
const PARALLEL = 4;

interface Variant {
  title: string;
  options: Partial<ClusterOptions>;
  /** Checks with these names; without it all. */
  only?: RegExp;
}

const variants: Variant[] = core ? [{ title: "runc", options: { addons: false } }] : [
  { title: "runc", options: { ociRuntime: "runc" } },
  { title: "runc, figures from the runtime", options: { statsFromCRI: true }, only: /^stats: / },
  ...full ? [{ title: "crun", options: { ociRuntime: "crun" as const } }] : [],
];

for (const { title, options, only } of variants) {
  const runtime = onSkiff ? "skiff" : "containerd";
  Deno.test({
    name: `a cluster on ${onSkiff ? "the compiled binary" : peer} with ${title} (root)`,
    ignore: Deno.uid() !== 0,
    ...free,
    fn: async (test) => {
      if (!exists(`${programs}/kubelet`)) throw new Error(`no kubelet in ${programs}: run scripts/setup --kubernetes`);
      const asked = core ? coreOf(checks) : choose(checks, [], full);
      const chosen = asked.filter(({ name }) => only?.test(name) ?? true);
      const name = `test-${Deno.pid}`;
      const cluster = await up({ ...defaults, ...options, name, runtime, owner: Deno.pid }, () => {});
      const results: CheckResult[] = [];
      try {
        await runSteps(test, cluster, chosen, PARALLEL, results);
      } finally {
        summarize(`kubelet on ${runtime} with ${title}, up in ${seconds(cluster.upMs)} s: ${count(results)}`);
        await down(name);
      }
    },
  });
}

const seconds = (milliseconds: number) => (milliseconds / 1000).toFixed(1);
