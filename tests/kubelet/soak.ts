/**
 * Random churn: pods are made, removed, killed, while the daemon, the kubelet, the registry and the whole node go down and
 * come back. At the end every pod that shall run must run, and nothing on the node may belong to nobody.
 *
 * Usage: deno run -A tests/kubelet/soak.ts [--minutes N] [--seed N] [--runtime skiff|containerd] [--oci runc|crun]
 */
import { parseArgs } from "node:util";
import { sleep } from "../support/command.ts";
import { seeded } from "../support/random.ts";
import type { AttachedCluster } from "./attached.ts";
import { container, deployment, job, pod, script } from "./check.ts";
import { Context } from "./context.ts";
import { defaults } from "./options.ts";
import { unowned } from "./unowned.ts";
import { down, up } from "./up_down.ts";

const NAMESPACE = "soak";
const PODS_MAX = 16;
const REPLICAS_MAX = 8;
/** Seconds for everything to be as it shall be, once nothing disturbs any more. */
const SETTLE = 240;

class Soak {
  readonly counts: Record<string, number> = {};
  readonly #pods = new Set<string>();
  readonly #context: Context;
  #made = 0;
  #replicas = 3;

  constructor(readonly cluster: AttachedCluster, readonly random: () => number) {
    this.#context = new Context(cluster, NAMESPACE, new AbortController().signal);
  }

  /** What may happen, and how often beside the others. */
  readonly #acts: [string, number, () => Promise<unknown>][] = [
    ["create a pod", 20, () => this.#createPod()],
    ["delete a pod", 14, () => this.#deletePod(["--wait=false"])],
    ["delete a pod at once", 4, () => this.#deletePod(["--wait=false", "--grace-period=0", "--force"])],
    ["scale the deployment", 10, () => this.#scale()],
    ["kill a container", 10, () => this.#killContainer()],
    ["run a job", 6, () => this.#job()],
    ["exec", 8, () => this.#exec()],
    ["restart the daemon", 6, () => this.cluster.restartDaemon()],
    ["kill -9 the daemon", 6, () => this.cluster.killDaemon()],
    ["restart the kubelet", 4, () => this.cluster.restartKubelet()],
    ["cut the registry for some seconds", 3, () => this.#cutRegistry()],
    ["reboot", 1, () => this.cluster.reboot()],
  ];

  async begin(): Promise<void> {
    await this.#context.kubectl("create", "namespace", NAMESPACE, "--namespace=default");
    await this.#context.until(
      "the namespace has its service account",
      async () => (await this.#context.tryKubectl("get", "serviceaccount", "default")).code === 0,
    );
    await this.#context.apply(
      deployment("steady", this.#replicas, { containers: [container("main", this.cluster.image("busybox"))] }),
    );
  }

  async act(): Promise<void> {
    const total = this.#acts.reduce((sum, [, weight]) => sum + weight, 0);
    let at = this.random() * total;
    const [name, , act] = this.#acts.find(([, weight]) => (at -= weight) < 0)!;
    this.counts[name] = (this.counts[name] ?? 0) + 1;
    await act();
  }

  /** Waits for rest and says what is wrong then. */
  async verdict(): Promise<string[]> {
    const wrong: string[] = [];
    const { until, kubectl, tryKubectl } = this.#context;
    const settled = async (what: string, probe: () => Promise<boolean>, tell: () => Promise<string>) => {
      await until(what, probe, SETTLE).catch(async (error) => wrong.push(`${error.message}\n${await tell()}`));
    };
    const pods = async () => (await tryKubectl("get", "pods", "-o", "wide")).stdout;
    await settled("every pod that shall run runs", async () => {
      const { items } = JSON.parse(await kubectl("get", "pods", "-o", "json"));
      const running = new Set<string>();
      for (const { metadata, status } of items) {
        // deno-lint-ignore no-explicit-any
        const ready = status.conditions?.some((one: any) => one.type === "Ready" && one.status === "True");
        if (ready && !metadata.deletionTimestamp) running.add(metadata.name);
      }
      const steady = [...running].filter((name) => name.startsWith("steady-")).length;
      return steady === this.#replicas && [...this.#pods].every((name) => running.has(name));
    }, pods);
    await settled(
      "nothing belongs to nobody",
      async () => (await unowned(this.cluster)).length === 0,
      async () => (await unowned(this.cluster)).join("\n"),
    );
    await kubectl("delete", "namespace", NAMESPACE, "--namespace=default", "--wait=false");
    await settled(
      "the namespace goes",
      async () => (await tryKubectl("get", "namespace", NAMESPACE, "--namespace=default")).code !== 0,
      pods,
    );
    await settled(
      "nothing is left of it",
      async () => (await unowned(this.cluster)).length === 0,
      async () => (await unowned(this.cluster)).join("\n"),
    );
    return wrong;
  }

  async #createPod(): Promise<void> {
    if (this.#pods.size >= PODS_MAX) return await this.#deletePod(["--wait=false"]);
    const name = `pod-${++this.#made}`;
    const image = this.cluster.image("busybox");
    const init = this.random() < 0.3 ? { initContainers: [script("init", image, "sleep 0.2")] } : {};
    const containers = [container("main", image, { imagePullPolicy: this.random() < 0.2 ? "Always" : "IfNotPresent" })];
    if (this.random() < 0.3) containers.push(script("other", image, "while :; do echo line; sleep 1; done"));
    await this.#context.apply(pod(name, { restartPolicy: "Always", ...init, containers }));
    this.#pods.add(name);
  }

  async #deletePod(how: string[]): Promise<void> {
    const name = this.#anyPod();
    if (!name) return;
    this.#pods.delete(name);
    await this.#context.kubectl("delete", "pod", name, ...how);
  }

  async #scale(): Promise<void> {
    this.#replicas = Math.floor(this.random() * (REPLICAS_MAX + 1));
    await this.#context.kubectl("scale", "deployment/steady", `--replicas=${this.#replicas}`);
  }

  /** From outside, as the kernel would: any process of ours that sleeps in a container. */
  async #killContainer(): Promise<void> {
    const file = `/sys/fs/cgroup/*${this.cluster.podsCgroup}`;
    const script =
      `for procs in $(find ${file} /sys/fs/cgroup/pids${this.cluster.podsCgroup} -name cgroup.procs 2>/dev/null); do
cat $procs; done | sort -un | while read -r pid; do grep -q '^sleep' /proc/$pid/comm 2>/dev/null && echo $pid; done; true`;
    const pids = (await this.cluster.run("sh", "-c", script)).split("\n").filter((line) => line !== "");
    const pid = pids[Math.floor(this.random() * pids.length)];
    if (pid) await this.cluster.tryRun("sh", "-c", `kill -9 $(cut -d' ' -f4 /proc/${pid}/stat) ${pid}`);
  }

  #job(): Promise<void> {
    const work = script("main", this.cluster.image("busybox"), "sleep 0.5; echo done");
    return this.#context.apply(
      job(`job-${++this.#made}`, { containers: [work] }, {
        completions: 3,
        parallelism: 2,
        ttlSecondsAfterFinished: 5,
      }),
    );
  }

  /** May fail: the pod may not run, or the daemon may be away. */
  async #exec(): Promise<void> {
    const name = this.#anyPod();
    if (name) await this.#context.tryKubectl("exec", name, "-c", "main", "--", "true");
  }

  async #cutRegistry(): Promise<void> {
    await this.cluster.registryDown();
    await sleep(4_000 * this.random());
    await this.cluster.registryUp();
  }

  #anyPod(): string | undefined {
    return [...this.#pods][Math.floor(this.random() * this.#pods.size)];
  }
}

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "30" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    name: { type: "string", default: "soak" },
    runtime: { type: "string", default: "skiff" },
    oci: { type: "string", default: "runc" },
  },
});
const runtime = values.runtime === "containerd" ? "containerd" : "skiff";
const ociRuntime = values.oci === "crun" ? "crun" : "runc";
const cluster = await up({ ...defaults, name: values.name, runtime, ociRuntime, addons: false }, () => {});
let wrong: string[] = [];
try {
  const soak = new Soak(cluster, seeded(Number(values.seed)));
  await soak.begin();
  const end = Date.now() + Number(values.minutes) * 60_000;
  for (let tell = Date.now() + 60_000; Date.now() < end;) {
    await soak.act();
    await sleep(1_500 * soak.random());
    if (Date.now() < tell) continue;
    console.log(`${Math.round((end - Date.now()) / 60_000)} minutes left: ${JSON.stringify(soak.counts)}`);
    tell = Date.now() + 60_000;
  }
  wrong = await soak.verdict();
  console.log(`${values.minutes} minutes of churn (seed ${values.seed}): ${JSON.stringify(soak.counts)}`);
} catch (error) {
  wrong.push((error as Error).stack ?? String(error));
} finally {
  if (wrong.length > 0) console.log((await cluster.log("daemon")).slice(-8_000));
  await down(values.name);
}
console.log(wrong.length === 0 ? "every pod that shall run runs; nothing belongs to nobody" : wrong.join("\n"));
Deno.exit(wrong.length === 0 ? 0 : 1);
