/**
 * The same work on our binary and on containerd 2.4, on one machine, in one run, in rounds that take turns, with the
 * same runc and the same CNI configuration.
 *
 *   deno task bench [daemon|pod|images] [--rounds N] [--json] [--check]
 *
 * `--check` ends with 1 where a ratio is over 1.5 and nothing below says why it may be.
 */
import { Instance } from "../support/instance.ts";
import { TestNode } from "../support/node.ts";
import { Peer } from "../support/peer.ts";
import { benchDaemons } from "./daemon.ts";
import { Figures } from "./figures.ts";
import { benchPulls } from "./images.ts";
import { benchPods } from "./pod.ts";

const parts = ["daemon", "pod", "images"];
const limit = 1.5;
/** Rows that are no fair comparison by themselves, and the row that is. */
const explained: Record<string, string> = {
  CreateContainer: "runc create runs here, and in StartContainer at containerd: the sum of both counts",
};

function usage(problem: string): never {
  console.error(`${problem}\nUsage: deno task bench [${parts.join("|")}] [--rounds N] [--json] [--check]`);
  Deno.exit(2);
}

const asked = new Set<string>();
let rounds = 6, json = false, check = false;
for (let at = 0; at < Deno.args.length; at++) {
  const argument = Deno.args[at];
  if (parts.includes(argument)) asked.add(argument);
  else if (argument === "--json") json = true;
  else if (argument === "--check") check = true;
  else if (argument === "--rounds") rounds = Number(Deno.args[++at]);
  else usage(`Unknown argument ${argument}`);
}
if (!(rounds > 0)) usage("--rounds needs a number");
if (Deno.uid() !== 0) usage("The benchmark needs root");
const wants = (part: string) => asked.size === 0 || asked.has(part);

const figures = new Figures();
{
  await using node = await TestNode.start();
  if (wants("daemon")) await benchDaemons(node, figures, rounds + 1);
  await using skiff = new Instance(node, { config: { log: { level: "info" } } });
  await using containerd = new Peer(node);
  const daemons = [skiff, containerd];
  for (const daemon of daemons) await daemon.start();
  if (wants("pod")) await benchPods(daemons, figures, rounds);
  if (wants("images")) {
    await benchPulls(daemons, figures, { "bench/small": rounds, "bench/large": Math.max(2, Math.ceil(rounds / 3)) });
  }
  for (const daemon of daemons) await daemon.stop();
}

const load = Deno.loadavg().map((value) => value.toFixed(1)).join(" ");
console.log(json ? JSON.stringify({ load, rows: figures.summary() }, null, 2) : `${figures.table()}\nload ${load}`);
const over = figures.summary().filter((row) => row.ratio > limit);
for (const row of over) {
  console.error(
    `${row.name}: ${row.ratio.toFixed(2)} times containerd's${
      row.name in explained ? ` (${explained[row.name]})` : ""
    }`,
  );
}
if (check && over.some((row) => !(row.name in explained))) Deno.exit(1);
