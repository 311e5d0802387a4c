/** Kubernetes' own tests of a node, untouched, on the compiled binary. The line it ends with comes from ginkgo's report. */
import { onSkiff, peer } from "../support/runtime_under_test.ts";
import { summarize } from "../support/summary.ts";
import { notRun } from "./conformance/not_run.ts";
import { conformance } from "./conformance/run.ts";
import { faults, reasons, summary } from "./conformance/verdict.ts";

Deno.test({
  name: `the specs of node conformance pass on ${onSkiff ? "the compiled binary" : peer} (root)`,
  ignore: Deno.uid() !== 0 || Deno.env.get("SKIFF_TEST_FULL") !== "1",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const result = await conformance();
    summarize(`node conformance: ${summary(result)}`);
    for (const line of reasons(result.specs, notRun)) console.log(line);
    const found = faults(result.specs, notRun);
    if (found.length > 0) throw new Error(`${found.join("\n")}\noutput in ${result.artifacts}`);
  },
});
