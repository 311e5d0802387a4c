/**
 * Fuzzes one target in a process of its own, and says once a second how far it is, so that whoever started it can tell a
 * hang. Usage: worker.ts TARGET SEED FIRST INPUTS CPU_SECONDS
 */
import process from "node:process";
import { erofsTarget } from "./erofs_target.ts";
import { httpTarget } from "./http_target.ts";
import { mutate } from "./mutate.ts";
import { Random } from "./random.ts";
import { tarTarget } from "./tar_target.ts";
import type { Target } from "./target.ts";
import { textTargets } from "./text_targets.ts";

/** CPU milliseconds of one input. */
const SLOW = 1_000;
/** Bytes of the heap, after a collection, that inputs may leave behind altogether. */
const GROWTH = 32 << 20;
const BATCH = 500;

export const targets: Target[] = [tarTarget, erofsTarget, ...textTargets, httpTarget];

export interface Report {
  inputs: number;
  cpuSeconds: number;
  /** The number of the input that the process is at. */
  at: number;
  finding?: { input: number; what: string; hex: string };
  done: boolean;
}

function inputOf(target: Target, seed: number, number: number): Uint8Array {
  const random = new Random(seed, number);
  // The corpus itself comes first: what was found once must stay mended.
  const input = number < target.corpus.length
    ? target.corpus[number].slice()
    : mutate(random, target.corpus, target.dictionary);
  if (number >= target.corpus.length) target.mend?.(input, random.below(2) === 0);
  return input;
}

const cpu = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

/**
 * Bytes in use after a collection. Buffers are freed on a thread of their own, which may take a while on a busy machine: it
 * is waited for where there are more than `enough`.
 */
async function heap(enough: number): Promise<number> {
  let used = Infinity;
  for (let attempt = 0; attempt < 50 && used > enough; attempt++) {
    if (attempt > 0) await sleep(100);
    (globalThis as unknown as { gc(): void }).gc();
    const { heapUsed, external } = process.memoryUsage();
    used = Math.min(used, heapUsed + external);
  }
  return used;
}

const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function main([name, ...numbers]: string[]): Promise<void> {
  const [seed, first, inputs, seconds] = numbers.map(Number);
  const target = targets.find((each) => each.name === name)!;
  let floor = Infinity;
  let [number, last] = [first, 0];
  const began = cpu();
  const report = (part: Partial<Report> = {}) =>
    console.log(
      JSON.stringify({ inputs: number - first, cpuSeconds: (cpu() - began) / 1000, at: number, done: false, ...part }),
    );
  const finding = (what: string, input: Uint8Array) =>
    report({ finding: { input: number, what, hex: input.toHex() }, done: true });
  let failure: unknown;
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    failure ??= event.reason;
  });
  while (number - first < inputs || cpu() - began < seconds * 1000) {
    const input = inputOf(target, seed, number);
    if (performance.now() - last > 1000) {
      report();
      last = performance.now();
    }
    const before = cpu();
    try {
      await target.read(input);
    } catch (error) {
      if (!target.isDocumented(error)) failure ??= error;
    }
    if (failure !== undefined) return finding(failure instanceof Error ? failure.stack! : String(failure), input);
    if (cpu() - before > SLOW) return finding(`it took ${(cpu() - before).toFixed(0)} ms`, input);
    number++;
    if ((number - first) % BATCH !== 0) continue;
    // Timers and closed connections get their turn.
    await sleep(0);
    if ((number - first) % (40 * BATCH) !== 0) continue;
    const now = await heap(floor + GROWTH);
    floor = Math.min(floor, now);
    if (now - floor > GROWTH) return finding(`the heap grew by ${now - floor} bytes`, input);
  }
  await target.close?.();
  report({ done: true });
}

if (import.meta.main) {
  await main(Deno.args);
  Deno.exit(0);
}
