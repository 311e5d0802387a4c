/**
 * Asks for the Version every few milliseconds from a process of its own, so that neither the test's work nor its garbage
 * is in the figures. Arguments: milliseconds between calls, sockets (asked in turn). Ends on the end of its input and prints JSON.
 */
import { connect } from "./client.ts";

export interface Percentiles {
  calls: number;
  failures: number;
  p50: number;
  p99: number;
  max: number;
}

if (import.meta.main) {
  const [interval, ...sockets] = Deno.args;
  const probed = sockets.map((socket) => ({ client: connect(socket), times: [] as number[], failures: 0 }));
  for (const { client } of probed) for (let call = 0; call < 50; call++) await client.version({});
  let ended = false;
  Deno.stdin.readable.getReader().read().then(() => ended = true);
  console.error("ready");
  while (!ended) {
    for (const one of probed) {
      await new Promise((resolve) => setTimeout(resolve, Number(interval)));
      const began = performance.now();
      await one.client.version({}, { timeout: 10_000 }).catch(() => one.failures++);
      one.times.push(performance.now() - began);
    }
  }
  const results = probed.map(({ times, failures }): Percentiles => {
    const sorted = times.toSorted((a, b) => a - b);
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
    return { calls: times.length, failures, p50: at(0.5), p99: at(0.99), max: at(1) };
  });
  console.log(JSON.stringify(results));
  Deno.exit(0);
}

/** Starts a probe; `stop` ends it and returns what it measured, a result per socket. It has precedence over all other work. */
export async function startProbe(sockets: string[], interval = 5): Promise<{ stop(): Promise<Percentiles[]> }> {
  const child = new Deno.Command("nice", {
    args: [
      "-n",
      "-15",
      Deno.execPath(),
      "run",
      "-A",
      "--quiet",
      new URL(import.meta.url).pathname,
      String(interval),
      ...sockets,
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const said = child.stderr.getReader();
  const first = new TextDecoder().decode((await said.read()).value);
  said.releaseLock();
  if (!first.includes("ready")) throw new Error(`the probe doesn't start: ${first}`);
  return {
    async stop() {
      await child.stdin.close();
      const { stdout, stderr } = await child.output();
      const text = new TextDecoder().decode(stdout);
      if (text === "") throw new Error(`the probe ended without a result: ${new TextDecoder().decode(stderr)}`);
      return JSON.parse(text);
    },
  };
}
