/**
 * Runs critest against dist/skiff, or with SKIFF_TEST_PEER=containerd against the peer.
 *
 * Usage: deno run -A tests/critest/run.ts [--runtime runc|crun|runc-debian]… [--websocket] [--seed N] [--focus RE] [--full]
 *   --full  every runtime, three orders each, and all of it over WebSocket too
 */
import { parseArgs } from "node:util";
import { critest, type CritestOptions } from "./critest.ts";
import { plan } from "./plan.ts";
import { details, faults, summary } from "./report.ts";
import { isRuntimeName } from "./runtimes.ts";

function runs(): CritestOptions[] {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      runtime: { type: "string", multiple: true },
      websocket: { type: "boolean", default: false },
      seed: { type: "string" },
      focus: { type: "string" },
      full: { type: "boolean", default: false },
    },
  });
  if (values.full) return plan(true);
  const chosen = values.runtime ?? ["runc"];
  return chosen.map((runtime) => {
    if (!isRuntimeName(runtime)) throw new Error(`--runtime ${runtime}: not one of runc, crun, runc-debian`);
    return {
      runtime,
      websocket: values.websocket,
      seed: values.seed === undefined ? undefined : Number(values.seed),
      focus: values.focus,
    };
  });
}

const lines: string[] = [];
let ok = true;
for (const options of runs()) {
  const result = await critest(options);
  console.log(details(result));
  ok &&= faults(result).length === 0;
  lines.push(summary(result));
}
console.log(lines.join("\n"));
Deno.exit(ok ? 0 : 1);
