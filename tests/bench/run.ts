/**
 * The same work on our binary and on containerd 2.4, on one machine, in one run, in rounds that take turns, with the
 * same runc and the same CNI configuration.
 *
 *   deno task bench [daemon|pod|images] [--rounds N] [--image NAME] [--json] [--check]
 *
 * `--check` ends with 1 where a target of the images is missed, or where another ratio is over 1.5 and nothing below says
 * why it may be. `images --json` prints `{"ratios": [...]}`; it ends with 1 unless all images had five rounds beside
 * containerd 2.4.2, and beside CRI-O where that is found.
 */
import { defaultConfig } from "../../src/config/mod.ts";
import { type BenchImage, benchImages } from "../images/bench_images.ts";
import { makeCgroup, setCpuWeight } from "../support/cgroups.ts";
import { run } from "../support/command.ts";
import { Crio, crioPlaces, findCrio } from "../support/crio.ts";
import { Instance } from "../support/instance.ts";
import { TestNode } from "../support/node.ts";
import { Peer } from "../support/peer.ts";
import { benchDaemons } from "./daemon.ts";
import { Figures } from "./figures.ts";
import { benchPodStarts, benchPulls, incomplete, missedTargets, type PullRatio, pullTable } from "./images.ts";
import { benchPods } from "./pod.ts";

const parts = ["daemon", "pod", "images"];
const limit = 1.5;
/** Rows that are no fair comparison by themselves, and the row that is. */
const explained: Record<string, string> = {
  CreateContainer: "runc create runs here, and in StartContainer at containerd: the sum of both counts",
};

function usage(problem: string): never {
  console.error(
    `${problem}\nUsage: deno task bench [${parts.join("|")}] [--rounds N] [--image NAME] [--json] [--check]`,
  );
  Deno.exit(2);
}

const asked = new Set<string>();
const chosen: BenchImage[] = [];
let rounds: number | undefined, json = false, check = false;
for (let at = 0; at < Deno.args.length; at++) {
  const argument = Deno.args[at];
  if (parts.includes(argument)) asked.add(argument);
  else if (argument === "--json") json = true;
  else if (argument === "--check") check = true;
  else if (argument === "--rounds") rounds = Number(Deno.args[++at]);
  else if (argument === "--image") chosen.push(Deno.args[++at] as BenchImage);
  else usage(`Unknown argument ${argument}`);
}
if (rounds !== undefined && !(rounds > 0)) usage("--rounds needs a number");
const unknown = chosen.find((name) => !(name in benchImages));
if (unknown !== undefined) usage(`There is no image ${unknown}`);
if (Deno.uid() !== 0) usage("The benchmark needs root");
const wants = (part: string) => asked.size === 0 || asked.has(part);

/**
 * Whatever else runs on this machine: our pulls give way to it, which is their purpose, and the peer's do not. What the
 * daemons start for themselves is weighed among itself as ever.
 */
async function outweighOthers(node: TestNode): Promise<void> {
  setCpuWeight(makeCgroup(`/${node.name}`), 10_000);
  await run("renice", ["-n", "-15", "-p", String(Deno.pid)]);
}

const figures = new Figures();
const ratios: PullRatio[] = [];
const crioProgram = wants("images") ? findCrio() : undefined;
if (wants("images") && !crioProgram) {
  console.error(
    `CRI-O was not found (${crioPlaces.join(", ")}, SKIFF_CRIO): images are pulled beside containerd alone`,
  );
}
{
  await using node = await TestNode.start();
  await outweighOthers(node);
  if (wants("daemon")) await benchDaemons(node, figures, (rounds ?? 6) + 1);
  await using skiff = new Instance(node, {
    config: { log: { level: "info" }, images: { keepReadySeconds: defaultConfig().images.keepReadySeconds } },
  });
  await using containerd = new Peer(node);
  const daemons = [skiff, containerd];
  for (const daemon of daemons) await daemon.start();
  if (wants("pod")) await benchPods(daemons, figures, rounds ?? 6);
  if (wants("images")) {
    const names = chosen.length > 0 ? chosen : Object.keys(benchImages) as BenchImage[];
    ratios.push(...await benchPulls(daemons, rounds ?? 5, names));
    if (crioProgram) {
      await using crio = new Crio(node, crioProgram);
      await crio.start();
      ratios.push(...await benchPulls([skiff, crio], rounds ?? 5, names));
      await crio.stop();
    }
    const single = ratios.find(({ image }) => image === "single");
    if (single) single.podStart = await benchPodStarts(skiff);
  }
  for (const daemon of daemons) await daemon.stop();
}

const load = Deno.loadavg().map((value) => value.toFixed(1)).join(" ");
const onlyImages = asked.size === 1 && wants("images");
if (json) {
  const rows = onlyImages ? {} : { load, rows: figures.summary() };
  console.log(JSON.stringify({ ...rows, ...(wants("images") ? { ratios } : {}) }, null, onlyImages ? undefined : 2));
} else {
  if (!onlyImages) console.log(figures.table());
  if (ratios.length > 0) console.log(pullTable(ratios));
  console.log(`load ${load}`);
}
const over = figures.summary().filter((row) => row.ratio > limit);
for (const row of over) {
  console.error(
    `${row.name}: ${row.ratio.toFixed(2)} times containerd's${
      row.name in explained ? ` (${explained[row.name]})` : ""
    }`,
  );
}
const missed = missedTargets(ratios);
for (const line of missed) console.error(line);
const lacking = wants("images") ? incomplete(ratios, crioProgram !== undefined) : [];
for (const line of lacking) console.error(`this run proves nothing: ${line}`);
if (lacking.length > 0 || (check && (missed.length > 0 || over.some((row) => !(row.name in explained))))) Deno.exit(1);
