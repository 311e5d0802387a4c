/** Starts each guest, has its file below inside/ run in it, and reports each of its tests as a step. */
import { summarize } from "../support/summary.ts";
import { tools } from "../support/tools.ts";
import { inGuest, type ProcessOne, systemdUnavailable, unavailable } from "./machine.ts";
import { readReport } from "./report.ts";

const root = Deno.uid() === 0;
const LONGEST = 15 * 60_000;

const env = {
  SKIFF_TOOLS: tools.home,
  SKIFF_BINARY: tools.skiff,
  // Emulated on busy cores, much takes ten times as long.
  SKIFF_TEST_PATIENCE: "3",
  DENO_NO_UPDATE_CHECK: "1",
  NO_COLOR: "1",
  ...Object.fromEntries(["HOME", "DENO_DIR"].map((name) => [name, Deno.env.get(name)]).filter(([, value]) => value)),
};

guest("In a guest with Linux 6.1, cgroup v2 alone and every capability", "init", "main.ts", unavailable());
guest("In a guest whose process 1 is systemd", "systemd", "systemd/main.ts", systemdUnavailable());

/** One boot, and the tests of one file below inside/. */
function guest(title: string, processOne: ProcessOne, tests: string, missing: string | undefined): void {
  Deno.test({
    name: `${title} (root)${missing ? ` [not here: ${missing}]` : ""}`,
    ignore: !root || missing !== undefined,
    async fn(context) {
      const script = `cd '${tools.checkout}'
exec '${Deno.execPath()}' test --allow-all --no-check --quiet --junit-path=/run/exchange/report.xml tests/guest/inside/${tests}
`;
      const outcome = await inGuest(script, env, LONGEST, ["report.xml"], processOne);
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
      summarize(
        `guest under ${processOne}: ${
          results.length - failed.length
        } passed, ${failed.length} failed; up in ${seconds.boot} s, the rest took ${seconds.command} s`,
      );
    },
  });
}
