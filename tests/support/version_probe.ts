/** Asks daemons for their Version every few milliseconds while a test keeps them busy: see version_probe.c. */
import { run } from "./command.ts";

/** Milliseconds that a daemon took to answer. */
export interface Percentiles {
  calls: number;
  failures: number;
  p50: number;
  p99: number;
  max: number;
}

/** Starts a probe that asks the sockets in turn, built into `dir`; `stop` ends it and returns a result per socket. */
export async function startProbe(
  dir: string,
  sockets: string[],
  interval = 5,
): Promise<{ stop(): Promise<Percentiles[]> }> {
  const program = `${dir}/version_probe`;
  await run("gcc", ["-O2", "-Wall", "-o", program, new URL("version_probe.c", import.meta.url).pathname]);
  const child = new Deno.Command(program, {
    args: [String(interval), ...sockets],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = new Response(child.stdout).text();
  const said = child.stderr.getReader();
  const first = new TextDecoder().decode((await said.read()).value);
  said.releaseLock();
  if (first !== "ready\n") throw new Error(`the probe doesn't start: ${first}`);
  return {
    async stop() {
      await child.stdin.close();
      if (!(await child.status).success) throw new Error("the probe failed");
      const answers = (await output).trimEnd().split("\n").map((line) => line.split(" ").map(Number));
      return sockets.map((_, index) => percentiles(answers.filter(([of]) => of === index).map(([, time]) => time)));
    },
  };
}

function percentiles(answers: number[]): Percentiles {
  const sorted = answers.filter((time) => time >= 0).toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  return {
    calls: answers.length,
    failures: answers.length - sorted.length,
    p50: at(0.5),
    p99: at(0.99),
    max: at(1),
  };
}
