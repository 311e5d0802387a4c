/** Runs fuzzers, each in a process of its own, and ends one that hangs. */
import { type Report, targets } from "./worker.ts";

export { targets };

export interface FuzzOptions {
  seed: number;
  /** The first input; to make a finding again. */
  first?: number;
  inputs: number;
  /** At least so long, even where all inputs were read before. */
  cpuSeconds: number;
}

/** Without a word for so long, an input hangs. Milliseconds of a machine that is busy with other things, too. */
const SILENCE = 60_000;

const worker = new URL("worker.ts", import.meta.url).pathname;
const config = new URL("../../deno.json", import.meta.url).pathname;

/** @returns what came of it; a finding says how to make it again. */
export async function fuzz(name: string, { seed, first = 0, inputs, cpuSeconds }: FuzzOptions): Promise<Report> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--no-check", "--config", config, "--v8-flags=--expose-gc", worker, name].concat(
      [seed, first, inputs, cpuSeconds].map(String),
    ),
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const complaints = new Response(child.stderr).text();
  let report: Report = { inputs: 0, cpuSeconds: 0, at: first, done: false };
  let isHung = false;
  const hang = () => {
    isHung = true;
    child.kill("SIGKILL");
  };
  let timer = setTimeout(hang, SILENCE);
  let rest = "";
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    clearTimeout(timer);
    timer = setTimeout(hang, SILENCE);
    const lines = (rest + chunk).split("\n");
    rest = lines.pop()!;
    for (const line of lines) report = JSON.parse(line);
  }
  clearTimeout(timer);
  await child.status;
  const said = await complaints;
  if (!report.done) {
    const what = isHung
      ? `it hangs, at one of the inputs from ${report.at} on`
      : `the process ended: ${said.slice(-2000)}`;
    report = { ...report, finding: { input: report.at, what, hex: "" }, done: true };
  }
  return report;
}

/** How a finding is made again. */
export const again = (name: string, seed: number, input: number) =>
  `deno task fuzz --target ${name} --seed ${seed} --first ${input} --inputs 1 --seconds 0`;
