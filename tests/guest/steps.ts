/** A file of tests that is run in a guest, each of its tests a step of one test here. */
import { summarize, summaryVariable } from "../support/summary.ts";
import { tools } from "../support/tools.ts";
import { inGuest, type ProcessOne } from "./machine.ts";
import { readReport } from "./report.ts";

const env = {
  SKIFF_TOOLS: tools.home,
  SKIFF_BINARY: tools.skiff,
  [summaryVariable]: "/run/exchange/summary",
  DENO_NO_UPDATE_CHECK: "1",
  NO_COLOR: "1",
  ...Object.fromEntries(["HOME", "DENO_DIR"].map((name) => [name, Deno.env.get(name)]).filter(([, value]) => value)),
};

export interface GuestTests {
  processOne: ProcessOne;
  /** The file below tests/. Another name than a test's keeps it out of other runs. */
  tests: string;
  /** Why it cannot be run on this machine, and what helps. */
  missing: string | undefined;
  gibibytes: number;
  /** Milliseconds, from the start of the guest to its end. */
  timeout: number;
  /** Emulated on busy cores, much takes ten times as long: see tests/support/command.ts. */
  patience: number;
  /** What is made once and kept, and takes a tenth of the time when it is made here. */
  prepare?: () => Promise<void>;
}

/** Registers a test that is one boot of a guest. */
export function testsInGuest(title: string, options: GuestTests): void {
  const { processOne, tests, missing, gibibytes, timeout, patience, prepare } = options;
  Deno.test({
    name: `${title} (root)${missing ? ` [not here: ${missing}]` : ""}`,
    ignore: Deno.uid() !== 0 || missing !== undefined,
    async fn(context) {
      await prepare?.();
      const script = `cd '${tools.checkout}'
exec '${Deno.execPath()}' test --allow-all --no-check --quiet --junit-path=/run/exchange/report.xml tests/${tests}
`;
      const outcome = await inGuest(script, {
        processOne,
        env: { ...env, SKIFF_TEST_PATIENCE: String(patience) },
        timeout,
        names: ["report.xml", "summary"],
        gibibytes,
      });
      const { output, screen, seconds, files } = outcome;
      const results = readReport(files["report.xml"]);
      if (results.length === 0) throw new Error(`no tests ran in the guest; its screen:\n${screen}\n${output}`);
      const failed = results.filter(({ failure }) => failure !== "");
      if (failed.length > 0) console.log(output);
      for (const { name, failure } of results) {
        await context.step(name, () => {
          if (failure !== "") throw new Error(failure);
        });
      }
      const counts = `${results.length - failed.length} passed, ${failed.length} failed`;
      const times = `up in ${seconds.boot} s, the rest took ${seconds.command} s`;
      summarize(`guest under ${processOne}: ${counts}; ${times}`);
      for (const line of files.summary.split("\n").filter((line) => line !== "")) summarize(`  ${line}`);
    },
  });
}
