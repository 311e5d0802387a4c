/** What has to live on when the daemon or a container ends badly; asked on this machine and in the guest. */
import { assertEquals, assertGreater } from "@std/assert";
import { ContainerState, NamespaceMode, PodSandboxState } from "../../proto/gen/runtime/v1/api.ts";
import { makeCgroup, processesIn, removeCgroup } from "../support/cgroups.ts";
import { patience, sleep, waitUntil } from "../support/command.ts";
import { type Container, readLog, type Sandbox, type Workbench } from "../support/pods.ts";
import { exists } from "../support/tools.ts";

export const ticking = [
  "/bin/sh",
  "-c",
  "trap 'exit 42' TERM; n=0; while :; do echo tick $n; n=$((n+1)); sleep 0.2; done",
];
const runtimes = ["runc", "runc", "crun", "runc", "crun"];

/**
 * The fifth of them runs the script `exits`. With `shared`, those of a runtime share a pod: where a pod takes long, and what is
 * asked is about containers.
 */
async function fiveContainers(bench: Workbench, exits: string, shared: boolean): Promise<Container[]> {
  const containers: Container[] = [];
  const pods = new Map<string, Sandbox>();
  for (const [number, runtime] of runtimes.entries()) {
    // One of them shares its pid namespace, so that a pause process has to live on too.
    const options = number === 2
      ? { linux: { securityContext: { namespaceOptions: { pid: NamespaceMode.POD } } } }
      : {};
    const labels = { crash: bench.prefix };
    const sandbox = shared && pods.get(runtime) || await bench.sandbox({ ...options, labels }, runtime);
    pods.set(runtime, sandbox);
    const command = number === 4 ? ["/bin/sh", "-c", exits] : ticking;
    containers.push(await bench.run({ ...options, command, labels, metadata: { name: `number-${number}` } }, sandbox));
  }
  return containers;
}

async function checkAfterCrash(bench: Workbench, containers: Container[], killedAt: number): Promise<void> {
  const { client } = bench;
  const labelSelector = { crash: bench.prefix };
  const listed = (await client.listContainers({ filter: { labelSelector } })).containers;
  assertEquals(listed.map((one) => one.id).sort(), containers.map((one) => one.id).sort());
  const pods = (await client.listPodSandbox({ filter: { labelSelector } })).items;
  assertEquals(new Set(pods.map((one) => one.id)), new Set(containers.map((one) => one.sandbox.id)));
  assertEquals(pods.map((one) => one.state), pods.map(() => PodSandboxState.SANDBOX_READY));

  const exited = await bench.exited(containers[4].id, 5_000);
  assertEquals([exited.exitCode, exited.reason], [7, "Error"]);
  assertGreater(exited.finishedAt, BigInt(killedAt) * 1_000_000n, "its end was while the daemon was away");
  assertGreater(BigInt(Date.now()) * 1_000_000n, exited.finishedAt);

  for (const container of containers.slice(0, 4)) {
    assertEquals((await bench.status(container.id)).state, ContainerState.CONTAINER_RUNNING);
    const numbers = readLog(container.log).map((line) => Number(line.text.split(" ")[1]));
    assertEquals(numbers, numbers.map((_, at) => at), "no line is lost");
    await waitUntil("its log goes on", () => readLog(container.log).length > numbers.length);
    assertEquals(await bench.sh(container, "echo inside"), "inside");
    await Deno.rename(container.log, `${container.log}.1`);
    await client.reopenContainerLog({ containerId: container.id });
    await waitUntil("its log was opened anew", () => fileSize(container.log) > 0);
    await client.stopContainer({ containerId: container.id, timeout: 10n });
    assertEquals((await bench.status(container.id)).exitCode, 42);
  }
}

/** SIGKILL to the daemon, or to all that is in its cgroup, with five containers, of which one ends while it is away. */
export async function survives(bench: Workbench, how: "kill9" | "killCgroup", shared = false): Promise<void> {
  const before = await bench.node.snapshot();
  const containers = await fiveContainers(bench, `sleep ${1.5 * patience}; exit 7`, shared);
  const killedAt = Date.now();
  await bench.daemon[how]();
  await sleep(2_000 * patience);
  await bench.daemon.start();
  await checkAfterCrash(bench, containers, killedAt);
  for (const id of new Set(containers.map((one) => one.sandbox.id))) await bench.remove(id);
  assertEquals((await bench.node.leftSince(before)).filter((line) => !byDesign.test(line)), []);
}

const bomb = ["/bin/sh", "-c", "x=0123456789abcdef; while :; do x=$x$x; done"];

/** A container that eats all memory ends with OOMKilled, and nothing else ends. */
export async function memoryBomb(bench: Workbench, runtime = ""): Promise<void> {
  const sandbox = await bench.sandbox({}, runtime);
  const neighbour = await bench.run({ metadata: { name: "neighbour" } }, sandbox);
  const limited = await bench.run({
    command: bomb,
    linux: { resources: { memoryLimitInBytes: 32n << 20n, memorySwapLimitInBytes: 32n << 20n } },
  }, sandbox);
  const status = await bench.exited(limited.id);
  assertEquals([status.exitCode, status.reason], [137, "OOMKilled"]);
  assertEquals((await bench.status(neighbour.id)).state, ContainerState.CONTAINER_RUNNING);
  assertEquals(await bench.sh(neighbour, "echo alive"), "alive");
  await bench.client.version({});
}

/** The pod has a limit and the container none: the monitor, which is outside the pod, lives to tell the exit code. */
export async function podMemoryBomb(bench: Workbench, runtime = ""): Promise<void> {
  const cgroupParent = `/${bench.node.name}/limited`;
  const limits = { "memory.limit_in_bytes": String(48 << 20), "memory.max": String(48 << 20), "memory.swap.max": "0" };
  for (const dir of makeCgroup(cgroupParent)) {
    for (const [file, limit] of Object.entries(limits)) {
      if (exists(`${dir}/${file}`)) Deno.writeTextFileSync(`${dir}/${file}`, limit);
    }
  }
  const container = await bench.run({ command: bomb }, await bench.sandbox({ linux: { cgroupParent } }, runtime));
  const status = await bench.exited(container.id);
  assertEquals(status.exitCode, 137);
  for (const pid of processesIn(cgroupParent)) throw new Error(`process ${pid} is still in the pod's cgroup`);
  await bench.remove(container.sandbox.id);
  await removeCgroup(cgroupParent);
}

/** The bridge and the plugin's own chains. */
const byDesign = /^(link: skiff-test0|packet filter rule: )/;

function fileSize(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch {
    return -1;
  }
}
