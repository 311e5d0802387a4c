/**
 * Runs the test suites and prints one line for each; what a suite printed is shown where it failed. Then compares what there is on
 * the machine with what there was before.
 *
 * Usage: deno run -A tests/run.ts [NAME…] [--full]. Suites are listed in suites.ts. scripts/test calls it after set-up and build.
 */
import { difference, snapshot } from "./support/leftovers.ts";
import { summaryVariable } from "./support/summary.ts";
import { type Suite, suites } from "./suites.ts";

/** What a run left, kernel objects above all, may need a moment to go. */
const PATIENCE_MS = 3_000;
/** Of what was left behind; one pod alone may be a hundred things. */
const MOST_LINES = 25;
const here = new URL(".", import.meta.url).pathname;
const isRoot = Deno.uid() === 0;

interface Outcome {
  ok: boolean;
  line: string;
  /** What the suite itself wants to be seen at the end. */
  summaries: string[];
  output: string;
}

async function main(args: string[]): Promise<number> {
  const full = args.includes("--full");
  const names = args.filter((argument) => argument !== "--full");
  const unknown = names.filter((name) => !suites.some((suite) => suite.name === name));
  if (unknown.length > 0) {
    console.error(`no such suite: ${unknown.join(", ")}\n\nsuites:`);
    for (const { name, when, says } of suites) {
      console.error(`  ${name.padEnd(13)} ${{ core: "", part: "(in part) ", full: "(--full) " }[when]}${says}`);
    }
    return 2;
  }
  const chosen = suites.filter(({ name, when }) => names.length > 0 ? names.includes(name) : full || when !== "full");
  const before = await snapshot();
  const summaries: string[] = [];
  let ok = true;
  for (const suite of chosen) {
    const started = performance.now();
    const outcome = await run(suite, full ? "full" : names.length > 0 ? "usual" : "core");
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    if (!outcome.ok) console.log(outcome.output);
    console.log(`${outcome.ok ? "ok  " : "FAIL"}  ${suite.name.padEnd(13)}  ${outcome.line}  (${seconds} s)`);
    summaries.push(...outcome.summaries);
    ok &&= outcome.ok;
  }
  const left = await leftSince(before);
  console.log(`${left.length === 0 ? "ok  " : "FAIL"}  left behind: ${left.length === 0 ? "nothing" : ""}`);
  for (const line of left.slice(0, MOST_LINES)) console.log(`        ${line}`);
  if (left.length > MOST_LINES) console.log(`        and ${left.length - MOST_LINES} more`);
  for (const line of summaries) console.log(line);
  return ok && left.length === 0 ? 0 : 1;
}

/** How much of a suite that has more than it always runs. */
const extents = { core: { SKIFF_TEST_CORE: "1" }, usual: {}, full: { SKIFF_TEST_FULL: "1" } };

async function run(suite: Suite, extent: keyof typeof extents): Promise<Outcome> {
  if (!hasTests(`${here}${suite.name}`)) return { ok: true, line: "no tests yet", summaries: [], output: "" };
  if (suite.needsRoot && !isRoot) return { ok: true, line: "skipped: needs root", summaries: [], output: "" };
  const parallel = suite.parallel ? ["--parallel"] : [];
  const summaryFile = await Deno.makeTempFile({ prefix: "skiff-test-summary-" });
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "--allow-all", "--quiet", ...parallel, `${here}${suite.name}`],
    env: {
      NO_COLOR: "1",
      DENO_NO_UPDATE_CHECK: "1",
      [summaryVariable]: summaryFile,
      ...extents[extent],
    },
    stdin: "null",
  }).output();
  const output = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  const summaries = (await Deno.readTextFile(summaryFile)).split("\n").filter((line) => line !== "");
  await Deno.remove(summaryFile);
  return { ok: code === 0, line: summary(output), summaries, output };
}

/** The counts of deno's last line: `ok | 164 passed (3 steps) | 0 failed | 2 ignored (1s)`. */
function summary(output: string): string {
  const counts = [...output.matchAll(/^(?:ok|FAILED) \| (.*) \(\d[^()]*\)$/gm)].at(-1)?.[1];
  return counts?.replaceAll(" | ", ", ") ?? "did not get as far as its tests";
}

function hasTests(folder: string): boolean {
  try {
    return [...Deno.readDirSync(folder)].some((entry) =>
      entry.isDirectory ? hasTests(`${folder}/${entry.name}`) : entry.name.endsWith("_test.ts")
    );
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function leftSince(before: Awaited<ReturnType<typeof snapshot>>): Promise<string[]> {
  for (const end = Date.now() + PATIENCE_MS;;) {
    const left = difference(before, await snapshot());
    if (left.length === 0 || Date.now() > end) return left;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

Deno.exit(await main(Deno.args));
