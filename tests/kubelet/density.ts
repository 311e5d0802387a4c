/**
 * 110 pods on the one node, on skiff and beside it on containerd: time until all are available, what the daemon takes of
 * processor and memory, time until all are gone, and what is left then.
 *
 * Usage: deno run -A tests/kubelet/density.ts [--pods N] [--json]
 */
import { parseArgs } from "node:util";
import type { AttachedCluster } from "./attached.ts";
import { container, deployment } from "./check.ts";
import { Context } from "./context.ts";
import { defaults } from "./options.ts";
import { unowned } from "./unowned.ts";
import { down, up } from "./up_down.ts";

interface Figures {
  /** Milliseconds from the request until the Deployment is Available, per pod. */
  upMsPerPod: number;
  downMsPerPod: number;
  /** Seconds of processor time that the daemon itself took for both. */
  daemonCpu: number;
  /** MB with all pods, and at the end. */
  daemonRss: number;
  daemonRssAfter: number;
  left: string[];
}

const TICKS = 100;
const LONGEST = 600;

function cpuSeconds(pid: number): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).replace(/^.*\) /, "").split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

function rss(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(Deno.readTextFileSync(`/proc/${pid}/status`))![1]) / 1024;
}

async function measure(cluster: AttachedCluster, pods: number): Promise<Figures> {
  const { apply, kubectl, until, tryKubectl } = new Context(cluster, "default", new AbortController().signal);
  const image = cluster.image("busybox");
  // The image is there, and every program has run once.
  await apply(deployment("first", 2, { containers: [container("main", image)] }));
  await kubectl("rollout", "status", "deployment/first", "--timeout=60s");
  await kubectl("delete", "deployment/first");
  const gone = async () => (await tryKubectl("get", "pods", "-o", "name")).stdout.trim() === "";
  await until("the first pods are gone", gone);
  const cpu = cpuSeconds(cluster.daemonPid);
  const began = performance.now();
  await apply(deployment("many", pods, { containers: [container("main", image)] }));
  await until("all are available", async () => {
    const { status } = JSON.parse(await kubectl("get", "deployment/many", "-o", "json"));
    return status.availableReplicas === pods;
  }, LONGEST);
  const upMs = performance.now() - began;
  const daemonRss = rss(cluster.daemonPid);
  const beganDown = performance.now();
  await kubectl("scale", "deployment/many", "--replicas=0");
  await until("all are gone", gone, LONGEST);
  const downMs = performance.now() - beganDown;
  const daemonCpu = cpuSeconds(cluster.daemonPid) - cpu;
  await until("the node is at rest", async () => (await unowned(cluster)).length === 0, 60).catch(() => {});
  return {
    upMsPerPod: upMs / pods,
    downMsPerPod: downMs / pods,
    daemonCpu,
    daemonRss,
    daemonRssAfter: rss(cluster.daemonPid),
    left: await unowned(cluster),
  };
}

const { values } = parseArgs({ options: { pods: { type: "string", default: "110" }, json: { type: "boolean" } } });
const results: Record<string, Figures> = {};
for (const runtime of ["skiff", "containerd"] as const) {
  const name = `density-${runtime}`;
  const cluster = await up({ ...defaults, name, runtime, addons: false }, () => {});
  try {
    results[runtime] = await measure(cluster, Number(values.pods));
  } finally {
    await down(name);
  }
}
const { skiff, containerd } = results;
if (values.json) console.log(JSON.stringify(results, null, 2));
else {
  for (const key of ["upMsPerPod", "downMsPerPod", "daemonCpu", "daemonRss", "daemonRssAfter"] as const) {
    const [ours, theirs] = [skiff[key], containerd[key]];
    console.log(
      `${key.padEnd(16)} ${ours.toFixed(1).padStart(8)} ${theirs.toFixed(1).padStart(8)}  ${
        (ours / theirs).toFixed(2)
      }`,
    );
  }
  console.log(`left behind: ${skiff.left.join(", ") || "nothing"}`);
}
Deno.exit(skiff.left.length === 0 ? 0 : 1);
