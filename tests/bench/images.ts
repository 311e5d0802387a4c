/**
 * Pulls onto nothing, in rounds that take turns: how long, how much processor time of a daemon and all that it starts,
 * and how much memory. And what a pull does to the pods that start meanwhile.
 */
import { type BenchImage, benchImages } from "../images/bench_images.ts";
import { benchImage } from "../images/cache.ts";
import { cpuMilliseconds } from "../support/cgroups.ts";
import { run } from "../support/command.ts";
import type { Daemon } from "../support/daemon.ts";
import { Workbench } from "../support/pods.ts";
import { median } from "./figures.ts";
import { PeakWatch } from "./peak.ts";

type Side = "skiff" | "peer";

/** One image; milliseconds and megabytes are medians, but for peaks, which are the highest of all rounds. */
export interface PullRatio {
  image: BenchImage;
  peer: string;
  peerVersion: string;
  /** Wall time of the whole pull, ours over the peer's. */
  ratio: number;
  cpuRatio: number;
  removalRatio: number;
  wall: Record<Side, number>;
  cpu: Record<Side, number>;
  removal: Record<Side, number>;
  rounds: number;
  layers: number;
  packedMegabytes: number;
  /** Of one of our children; none of the peer's, which has its own daemon do the work. */
  childPeakMegabytes: number;
  peaks: Record<string, number>;
  /** Of `single`: a pod's start while it is pulled, over one without. */
  podStart?: PodStart;
}

interface PodStart {
  ratio: number;
  during: number;
  without: number;
  samples: number;
}

/** What is aimed at: wall time, the largest child, removal, a pod's start. */
export const targets: Record<BenchImage, { ratio: number; removalRatio?: number; podStart?: number }> = {
  small: { ratio: 1 },
  gzip: { ratio: 0.7 },
  zstd: { ratio: 0.7 },
  tiny: { ratio: 0.5, removalRatio: 0.1 },
  single: { ratio: 1, podStart: 1.3 },
  odd: { ratio: 0.7 },
  deep: { ratio: 0.7 },
};
export const childPeakTarget = 110;
/** The most that any image's wall time may be of CRI-O's. */
const crioTarget = 0.45;

const pullTimeout = 600_000;
const podStarts = 50;

/** Our daemon's pulls beside one peer's. */
export async function benchPulls(daemons: Daemon[], rounds: number, names: BenchImage[]): Promise<PullRatio[]> {
  const peer = daemons.find(({ kind }) => kind !== "skiff")!;
  const { runtimeName, runtimeVersion } = await peer.client.version({});
  const ratios: PullRatio[] = [];
  for (const name of names) {
    const { image, ...figures } = await benchPull(daemons, rounds, name);
    ratios.push({ image, peer: runtimeName, peerVersion: runtimeVersion, ...figures });
  }
  return ratios;
}

async function benchPull(
  daemons: Daemon[],
  rounds: number,
  name: BenchImage,
): Promise<Omit<PullRatio, "peer" | "peerVersion">> {
  const { node } = daemons[0];
  const image = await benchImage(name);
  await node.registry.add(`bench/${name}`, "1", image);
  const request = { image: { image: node.image(`bench/${name}:1`) } };
  const blobs = image.layers.map(({ digest }) => node.registry.blobFile(digest));
  const samples = { wall: sides(), cpu: sides(), removal: sides() };
  const peaks: Record<string, number> = {};
  for (let round = 0; round < rounds; round++) {
    for (const { kind, client, pid } of round % 2 ? daemons.toReversed() : daemons) {
      const side: Side = kind === "skiff" ? kind : "peer";
      await dropPageCache(blobs);
      await using watch = new PeakWatch(pid);
      const cpu = processorTime(node.name);
      const began = performance.now();
      await client.pullImage(request, { timeout: pullTimeout });
      samples.wall[side].push(performance.now() - began);
      samples.cpu[side].push(processorTime(node.name) - cpu);
      for (const [what, peak] of Object.entries(watch.peaks())) {
        peaks[`${kind} ${what}`] = Math.max(peaks[`${kind} ${what}`] ?? 0, peak);
      }
      const pulled = performance.now();
      await client.removeImage(request);
      samples.removal[side].push(performance.now() - pulled);
      console.error(`${name}, round ${round + 1} of ${rounds}: ${kind} ${samples.wall[side].at(-1)!.toFixed(0)} ms`);
    }
  }
  const [wall, cpu, removal] = [samples.wall, samples.cpu, samples.removal].map(medians);
  const ratio = (values: Record<Side, number>) => rounded(values.skiff / values.peer, 3);
  const children = Object.entries(peaks).filter(([what]) => what.startsWith("skiff __"));
  return {
    image: name,
    ratio: ratio(wall),
    cpuRatio: ratio(cpu),
    removalRatio: ratio(removal),
    wall,
    cpu,
    removal,
    rounds,
    layers: image.layers.length,
    packedMegabytes: rounded(image.layers.reduce((sum, { size }) => sum + size, 0) / 1e6, 1),
    childPeakMegabytes: Math.max(...children.map(([, peak]) => peak)),
    peaks,
  };
}

/** A pod's start, from RunPodSandbox to StartContainer, while our daemon pulls the 1 GB image, and while it does not. */
export async function benchPodStarts(daemon: Daemon): Promise<PodStart> {
  const image = daemon.node.image("bench/single:1");
  await using bench = new Workbench(daemon);
  await bench.pull();
  for (let number = 0; number < 5; number++) await podStart(bench);
  const [during, without]: number[][] = [[], []];
  while (during.length < podStarts || without.length < podStarts) {
    for (let number = 0; number < 10; number++) without.push(await podStart(bench));
    let pulling = true;
    const pull = daemon.client.pullImage({ image: { image } }, { timeout: pullTimeout }).finally(() => pulling = false);
    for (let number = 0; number < 10; number++) {
      const took = await podStart(bench);
      if (!pulling) break;
      during.push(took);
    }
    await pull;
    await daemon.client.removeImage({ image: { image } });
  }
  const [withPull, alone] = [during, without].map((list) => rounded(median(list), 1));
  return { ratio: rounded(withPull / alone, 3), during: withPull, without: alone, samples: during.length };
}

async function podStart(bench: Workbench): Promise<number> {
  const began = performance.now();
  const { sandbox } = await bench.run();
  const took = performance.now() - began;
  await bench.remove(sandbox.id);
  return took;
}

export function pullTable(ratios: PullRatio[]): string {
  const times = (values: Record<Side, number>, ratio: number) =>
    `${values.skiff.toFixed(0)} / ${values.peer.toFixed(0)} ms = ${ratio.toFixed(2)}`;
  return ratios.map((one) =>
    [
      `${one.image} (${one.layers} layers, ${one.packedMegabytes} MB, ${one.rounds} rounds beside ${one.peer})`,
      `  wall     ${times(one.wall, one.ratio)}`,
      `  CPU      ${times(one.cpu, one.cpuRatio)}`,
      `  removal  ${times(one.removal, one.removalRatio)}`,
      `  peak MB  ${Object.entries(one.peaks).map(([what, peak]) => `${what} ${peak}`).join(", ")}`,
      ...(one.podStart
        ? [`  a pod's start during the pull / without: ${one.podStart.during} / ${one.podStart.without} ms`]
        : []),
    ].join("\n")
  ).join("\n");
}

/** All that was not met, in words; nothing when the run was whole and met everything. */
export function missedTargets(ratios: PullRatio[]): string[] {
  const missed: string[] = [];
  const check = (what: string, value: number, limit: number) => {
    if (!(value <= limit)) missed.push(`${what} is ${value}, over ${limit}`);
  };
  for (const { image, peer, ratio, removalRatio, podStart, childPeakMegabytes } of ratios) {
    if (isCrio(peer)) {
      check(`the pull of ${image} beside CRI-O`, ratio, crioTarget);
      continue;
    }
    const target = targets[image];
    check(`the pull of ${image}`, ratio, target.ratio);
    check(`the peak of a child at ${image}, in MB,`, childPeakMegabytes, childPeakTarget);
    if (target.removalRatio !== undefined) check(`the removal of ${image}`, removalRatio, target.removalRatio);
    if (target.podStart !== undefined) check(`a pod's start beside ${image}`, podStart!.ratio, target.podStart);
  }
  return missed;
}

/** What makes a run no proof: an image, a round or the right peer that was not there. CRI-O has to be where it was found. */
export function incomplete(ratios: PullRatio[], foundCrio: boolean): string[] {
  const lacking = (list: PullRatio[], beside: string) =>
    Object.keys(benchImages).filter((name) => !list.some(({ image }) => image === name))
      .map((name) => `${name} was not pulled${beside}`);
  const [besideCrio, others] = [true, false].map((crio) => ratios.filter(({ peer }) => isCrio(peer) === crio));
  return [
    ...lacking(others, ""),
    ...(foundCrio ? lacking(besideCrio, " beside CRI-O") : []),
    ...ratios.filter(({ rounds }) => rounds < 5).map(({ image, rounds }) => `${image} had ${rounds} rounds`),
    ...others.filter(({ peer, peerVersion }) => peer !== "containerd" || !/^v?2\.4\.2\b/.test(peerVersion))
      .map(({ image, peer, peerVersion }) => `${image} was pulled beside ${peer} ${peerVersion}`),
  ];
}

function isCrio(peer: string): boolean {
  return peer === "cri-o";
}

/** Nothing of the stores is in memory afterwards. A registry is another machine: what it serves it is read again for. */
async function dropPageCache(served: string[]): Promise<void> {
  await run("sync", []);
  await Deno.writeTextFile("/proc/sys/vm/drop_caches", "1");
  await run("sh", ["-c", 'cat "$@" >/dev/null', "cat", ...served]);
}

/** Of everything on the node but the registry; whoever is not asked for anything takes none. */
function processorTime(node: string): number {
  return cpuMilliseconds(`/${node}`) - cpuMilliseconds(`/${node}/registry`);
}

const sides = (): Record<Side, number[]> => ({ skiff: [], peer: [] });
const medians = ({ skiff, peer }: Record<Side, number[]>): Record<Side, number> => ({
  skiff: rounded(median(skiff), 1),
  peer: rounded(median(peer), 1),
});
const rounded = (value: number, digits: number) => Number(value.toFixed(digits));
