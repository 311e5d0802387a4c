/**
 * Usage: deno task fuzz [--target NAME] [--seed N] [--first N] [--inputs N] [--seconds N]
 *
 * Without numbers, each target gets 10 minutes of CPU and at least a million inputs (HTTP: 50,000). One target per
 * processor is at work at a time. The seed is printed.
 */
import { again, fuzz, targets } from "./fuzz.ts";

const CPU_SECONDS = 600;

function option(name: string): string | undefined {
  const at = Deno.args.indexOf(`--${name}`);
  return at < 0 ? undefined : Deno.args[at + 1];
}

const seed = Number(option("seed") ?? Date.now() % 1_000_000);
const wanted = option("target");
const chosen = targets.filter(({ name }) => wanted === undefined || name === wanted);
if (chosen.length === 0) {
  console.error(`no such target: ${wanted}; there are ${targets.map(({ name }) => name).join(", ")}`);
  Deno.exit(2);
}
console.log(`seed ${seed}`);
let findings = 0;

async function fuzzOne({ name, inputs }: typeof chosen[number]): Promise<void> {
  const report = await fuzz(name, {
    seed,
    first: Number(option("first") ?? 0),
    inputs: Number(option("inputs") ?? inputs),
    cpuSeconds: Number(option("seconds") ?? CPU_SECONDS),
  });
  console.log(`${name.padEnd(14)} ${report.inputs} inputs, ${report.cpuSeconds.toFixed(1)} s of CPU`);
  if (!report.finding) return;
  findings++;
  const { input, what, hex } = report.finding;
  console.log(`  input ${input}: ${what}\n  ${hex.slice(0, 4000)}\n  again: ${again(name, seed, input)}`);
}

const waiting = chosen.values();
await Promise.all(
  Array.from({ length: navigator.hardwareConcurrency }, async () => {
    for (const target of waiting) await fuzzOne(target);
  }),
);
Deno.exit(findings === 0 ? 0 : 1);
