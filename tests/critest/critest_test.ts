/** The field's conformance suite, untouched, against the compiled binary. The lines it ends with come from its JUnit file. */
import { summarize } from "../support/summary.ts";
import { critest } from "./critest.ts";
import { plan } from "./plan.ts";
import { details, faults, summary } from "./report.ts";

const root = Deno.uid() === 0;
const full = Deno.env.get("SKIFF_TEST_FULL") === "1";

for (const [number, options] of plan(full).entries()) {
  const { runtime, websocket } = options;
  Deno.test({
    name: `critest ${number + 1}: every spec with ${runtime}${websocket ? " over WebSocket" : ""} (root)`,
    ignore: !root,
    // The daemon's connection and the node's programs end with timers of their own.
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      const result = await critest(options);
      summarize(summary(result));
      const found = faults(result);
      if (found.length > 0) throw new Error(`${found.join("\n")}\n\nall of it:\n${details(result)}`);
    },
  });
}
