/**
 * Each fuzzer for a few seconds of CPU, on the corpus and on the same inputs each time, so that a failure is the doing of
 * a change; with --full on new ones, for ten minutes and a million inputs, as `deno task fuzz` has it.
 */
import { assertEquals } from "@std/assert";
import { summarize } from "../support/summary.ts";
import { again, fuzz, targets } from "./fuzz.ts";

const isFull = Deno.env.get("SKIFF_TEST_FULL") === "1";
const CPU_SECONDS = isFull ? 600 : 3;
const FEW_INPUTS = 2_000;
const seed = Number(Deno.env.get("SKIFF_TEST_SEED") ?? (isFull ? Date.now() % 1_000_000 : 164158));

for (const { name, inputs } of targets) {
  Deno.test(`fuzzing ${name} finds nothing`, async () => {
    console.log(`seed ${seed}`);
    const report = await fuzz(name, { seed, inputs: isFull ? inputs : FEW_INPUTS, cpuSeconds: CPU_SECONDS });
    const { finding } = report;
    assertEquals(finding && `${finding.what}\n${again(name, seed, finding.input)}`, undefined);
    summarize(`fuzz ${name}: ${report.inputs} inputs, ${report.cpuSeconds.toFixed(0)} s of CPU, seed ${seed}`);
  });
}
