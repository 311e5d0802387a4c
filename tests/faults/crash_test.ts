/** The daemon dies, its containers don't; what happened meanwhile is known afterwards. */
import { assert, assertEquals, assertGreater } from "@std/assert";
import { ContainerState, NamespaceMode, PodSandboxState } from "../../proto/gen/runtime/v1/api.ts";
import { makeCgroup, processesIn, removeCgroup } from "../support/cgroups.ts";
import { sleep, waitUntil } from "../support/command.ts";
import { type Container, readLog, type Workbench } from "../support/pods.ts";
import { suite } from "../support/suite.ts";

const { test } = suite();

const ticking = ["/bin/sh", "-c", "trap 'exit 42' TERM; n=0; while :; do echo tick $n; n=$((n+1)); sleep 0.2; done"];
const runtimes = ["runc", "runc", "crun", "runc", "crun"];

async function fiveContainers(bench: Workbench, exits: string): Promise<Container[]> {
  const containers: Container[] = [];
  for (const [number, runtime] of runtimes.entries()) {
    // One of them shares its pid namespace, so that a pause process has to live on too.
    const options = number === 2
      ? { linux: { securityContext: { namespaceOptions: { pid: NamespaceMode.POD } } } }
      : {};
    const sandbox = await bench.sandbox({ ...options, labels: { crash: bench.prefix } }, runtime);
    const command = number === 4 ? ["/bin/sh", "-c", exits] : ticking;
    containers.push(await bench.run({ ...options, command, labels: { crash: bench.prefix } }, sandbox));
  }
  return containers;
}

async function checkAfterCrash(bench: Workbench, containers: Container[], killedAt: number): Promise<void> {
  const { client } = bench;
  const labelSelector = { crash: bench.prefix };
  const listed = (await client.listContainers({ filter: { labelSelector } })).containers;
  assertEquals(listed.map((one) => one.id).sort(), containers.map((one) => one.id).sort());
  const pods = (await client.listPodSandbox({ filter: { labelSelector } })).items;
  assertEquals(pods.map((one) => one.state), containers.map(() => PodSandboxState.SANDBOX_READY));

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

for (const how of ["kill9", "killCgroup"] as const) {
  const what = how === "kill9" ? "the daemon" : "everything in the daemon's cgroup";
  test(
    `SIGKILL to ${what} with five running containers: all go on, and the exit code of one that ended is true`,
    async (bench) => {
      const before = await bench.node.snapshot();
      const containers = await fiveContainers(bench, "sleep 1.5; exit 7");
      const killedAt = Date.now();
      await bench.daemon[how]();
      await sleep(3_000);
      await bench.daemon.start();
      await checkAfterCrash(bench, containers, killedAt);
      for (const { sandbox } of containers) await bench.remove(sandbox.id);
      assertEquals((await bench.node.leftSince(before)).filter((line) => !byDesign.test(line)), []);
    },
    { skiffOnly: "its shims are in the daemon's cgroup, and its crun pods don't start here" },
  );
}

test("SIGTERM to the daemon leaves containers running, and ends within two seconds", async (bench) => {
  const container = await bench.run({ command: ticking });
  const began = Date.now();
  assertEquals(await bench.daemon.stop(), 0);
  assert(Date.now() - began < 2_000, `took ${Date.now() - began} ms`);
  const lines = readLog(container.log).length;
  await sleep(800);
  assert(readLog(container.log).length > lines, "the container stood still");
  await bench.daemon.start();
  assertEquals((await bench.status(container.id)).state, ContainerState.CONTAINER_RUNNING);
}, { skiffOnly: "the daemon itself copies the logs" });

test("Images, stopped pods and created containers are there again after a restart", async (bench) => {
  const created = await bench.create(await bench.sandbox());
  const { container } = await bench.runScript("exit 3");
  await bench.client.stopPodSandbox({ podSandboxId: container.sandbox.id });
  const image = (await bench.client.imageStatus({ image: { image: bench.busybox } })).image;
  const address = (await bench.client.podSandboxStatus({ podSandboxId: created.sandbox.id })).status!.network!.ip;
  await bench.daemon.restart();
  assertEquals((await bench.client.imageStatus({ image: { image: bench.busybox } })).image, image);
  assertEquals((await bench.status(container.id)).exitCode, 3);
  assertEquals(
    (await bench.client.podSandboxStatus({ podSandboxId: container.sandbox.id })).status!.state,
    PodSandboxState.SANDBOX_NOTREADY,
  );
  assertEquals(
    (await bench.client.podSandboxStatus({ podSandboxId: created.sandbox.id })).status!.network!.ip,
    address,
  );
  await bench.client.startContainer({ containerId: created.id });
  assertEquals(await bench.sh(created, "echo alive"), "alive");
});

test("A container whose monitor is killed is known to have ended, and can be removed", async (bench) => {
  const container = await bench.run();
  const monitors = processesIn(bench.node.monitors).filter((pid) =>
    Deno.readTextFileSync(`/proc/${pid}/cmdline`).includes(container.id)
  );
  assert(monitors.length > 0, "no monitor of the container in its cgroup");
  for (const pid of monitors) Deno.kill(pid, "SIGKILL");
  await bench.client.stopContainer({ containerId: container.id, timeout: 1n });
  const status = await bench.exited(container.id, 15_000);
  assert(status.exitCode !== 0, "an unknown end is no success");
}, { skiffOnly: "its monitors are shims" });

const bomb = ["/bin/sh", "-c", "x=0123456789abcdef; while :; do x=$x$x; done"];

test("A memory bomb ends its own container with OOMKilled and nothing else (CVE-2019-14891)", async (bench) => {
  const sandbox = await bench.sandbox();
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
});

test(
  "A memory bomb against the pod's limit doesn't take the monitor, which is outside the pod (CVE-2019-14891)",
  async (bench) => {
    const cgroupParent = `/${bench.node.name}/limited`;
    for (const dir of makeCgroup(cgroupParent)) {
      if (dir.startsWith("/sys/fs/cgroup/memory/")) {
        Deno.writeTextFileSync(`${dir}/memory.limit_in_bytes`, String(48 << 20));
      }
    }
    const container = await bench.run({ command: bomb }, await bench.sandbox({ linux: { cgroupParent } }));
    const status = await bench.exited(container.id);
    assertEquals(status.exitCode, 137);
    for (const pid of processesIn(cgroupParent)) throw new Error(`process ${pid} is still in the pod's cgroup`);
    await bench.remove(container.sandbox.id);
    await removeCgroup(cgroupParent);
  },
  { skiffOnly: "its sandbox process is in the pod" },
);

test("What runs in a pod's cgroup is the pod's alone", async (bench) => {
  const container = await bench.run();
  const commands = processesIn(bench.node.pods).map((pid) =>
    Deno.readTextFileSync(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim()
  );
  assertEquals(commands.filter((command) => command !== "" && !/^(sleep|\/?(\S*\/)?pause)/.test(command)), []);
  assert(container.id !== "");
});

/** The bridge and the plugin's own chains. */
const byDesign = /^(link: skiff-test0|packet filter rule: )/;

function fileSize(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch {
    return -1;
  }
}
