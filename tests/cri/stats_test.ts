import { assert, assertEquals } from "@std/assert";
import type { UInt64Value } from "../../proto/gen/runtime/v1/api.ts";
import { figures, onV2 } from "../support/cgroup_files.ts";
import { run, sleep, waitUntil } from "../support/command.ts";
import type { Instance } from "../support/instance.ts";
import type { Container, Workbench } from "../support/pods.ts";
import { onSkiff } from "../support/runtime_under_test.ts";
import { suite } from "../support/suite.ts";

const { test } = suite();
const skiffOnly = { skiffOnly: "its cgroups and folders are elsewhere" };

/** Works, takes 24 MB, starts two more processes, then sleeps, so that its figures hold still. */
const BUSY = "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done; held=$(head -c 8000000 /dev/zero | tr '\\0' x); " +
  "sleep 3600 & sleep 3600 & echo ready; wait; echo $held | wc -c";

function assertNear(what: string, found: UInt64Value | undefined, wanted: number): void {
  if (!found) throw new Error(`${what} is missing`);
  const value = Number(found.value);
  assert(Math.abs(value - wanted) <= wanted / 100, `${what} is ${value}, but the kernel says ${wanted}`);
}

/** Asks at a moment when the kernel's figures are the same before and after: what is compared has not moved. */
async function still<T>(path: string, ask: () => Promise<T>): Promise<{ kernel: ReturnType<typeof figures>; told: T }> {
  return await waitUntil(`the figures of ${path} hold still`, async () => {
    const kernel = figures(path);
    const told = await ask();
    await sleep(50);
    return JSON.stringify(kernel) === JSON.stringify(figures(path)) && { kernel, told };
  }, 20_000);
}

async function busy(bench: Workbench, cgroupParent = bench.node.pods): Promise<Container> {
  const sandbox = await bench.sandbox({ linux: { cgroupParent } });
  const container = await bench.run({
    command: ["/bin/sh", "-c", BUSY],
    labels: { app: "busy" },
    linux: { resources: { memoryLimitInBytes: 256n << 20n, memorySwapLimitInBytes: 320n << 20n } },
  }, sandbox);
  await waitUntil("it has done its work", () => Deno.readTextFileSync(container.log).includes("ready"), 30_000);
  return container;
}

test("ContainerStats() says within 1 % what the container's cgroup files say", async (bench) => {
  const { id, config } = await busy(bench);
  const before = BigInt(Date.now()) * 1_000_000n;
  const ask = () => bench.client.containerStats({ containerId: id });
  const { kernel, told } = await still(`${bench.node.pods}/${id}`, ask);
  const { attributes, cpu, memory, swap } = told.stats!;
  assertEquals([attributes!.id, attributes!.metadata, attributes!.labels], [id, config.metadata, config.labels]);
  assertNear("CPU time", cpu!.usageCoreNanoSeconds, kernel.cpuNanoseconds);
  assertNear("memory usage", memory!.usageBytes, kernel.usage);
  assertNear("working set", memory!.workingSetBytes, kernel.workingSet);
  assertNear("rss", memory!.rssBytes, kernel.rss);
  assertNear("page faults", memory!.pageFaults, kernel.pageFaults);
  assertNear("major page faults", memory!.majorPageFaults, kernel.majorPageFaults);
  assertNear("available memory", memory!.availableBytes, (256 << 20) - kernel.workingSet);
  assert(kernel.rss > 8_000_000, "the container does not hold what it should");
  for (const { timestamp } of [cpu!, memory!, swap!]) {
    assert(timestamp >= before && timestamp <= BigInt(Date.now()) * 1_000_000n, "not the time of the call");
  }
  // The limit of swap alone, less what is used of it; without swap accounting nothing is said.
  if (swap!.swapUsageBytes !== undefined && !onV2) assertNear("available swap", swap!.swapAvailableBytes, 64 << 20);
}, skiffOnly);

test("ContainerStats() says how many nanocores were used between two samples", async (bench) => {
  const { id: containerId } = await bench.run({ command: ["/bin/sh", "-c", "while :; do :; done"] });
  const sample = async () => (await bench.client.containerStats({ containerId })).stats!.cpu!;
  const first = await sample();
  await sleep(1_000);
  const second = await sample();
  const used = Number(second.usageCoreNanoSeconds!.value - first.usageCoreNanoSeconds!.value);
  const rate = used * 1e9 / Number(second.timestamp - first.timestamp);
  assertNear("nanocores", second.usageNanoCores, rate);
  assert(rate > 1e7 && rate < 1.2e9, `a busy loop used ${rate} nanocores`);
}, skiffOnly);

test("PodSandboxStats() says within 1 % what the pod's cgroup files say, children included", async (bench) => {
  const cgroup = `${bench.node.pods}/stats`;
  const container = await busy(bench, cgroup);
  const { sandbox } = container;
  const second = await bench.run({ metadata: { name: "second" }, logPath: "second/0.log" }, sandbox);
  const { kernel, told } = await still(cgroup, () => bench.client.podSandboxStats({ podSandboxId: sandbox.id }));
  const { attributes, linux } = told.stats!;
  assertEquals([attributes!.id, attributes!.metadata], [sandbox.id, sandbox.config.metadata]);
  assertNear("CPU time", linux!.cpu!.usageCoreNanoSeconds, kernel.cpuNanoseconds);
  assertNear("memory usage", linux!.memory!.usageBytes, kernel.usage);
  assertNear("working set", linux!.memory!.workingSetBytes, kernel.workingSet);
  assertNear("rss", linux!.memory!.rssBytes, kernel.rss);
  // A shell with two sleeps, and one more: none is in the pod's own cgroup, all are below it.
  assertEquals(kernel.processes, 0);
  assertEquals([Number(linux!.process!.processCount!.value), kernel.threads], [4, 4]);
  assertEquals(linux!.containers.map((one) => one.attributes!.id).toSorted(), [container.id, second.id].toSorted());
  const { stats } = await bench.client.listPodSandboxStats({ filter: { id: sandbox.id } });
  assertEquals(stats.map((one) => one.attributes!.id), [sandbox.id]);
  assertNear("rss in the list", stats[0].linux!.memory!.rssBytes, kernel.rss);
}, skiffOnly);

test("PodSandboxStats() counts what went through the pod's interface", async (bench) => {
  const container = await bench.run();
  const counters = async () =>
    (await bench.sh(container, "cd /sys/class/net/eth0/statistics && cat rx_bytes tx_bytes rx_errors tx_errors"))
      .split("\n").map(Number);
  await bench.sh(container, `ping -c 20 -i 0.05 -s 1400 ${bench.node.subnet}.1 >/dev/null`);
  const before = await counters();
  const { linux } = (await bench.client.podSandboxStats({ podSandboxId: container.sandbox.id })).stats!;
  const after = await counters();
  const { name, rxBytes, txBytes, rxErrors, txErrors } = linux!.network!.defaultInterface!;
  assertEquals([name, linux!.network!.interfaces], ["eth0", []]);
  assert(before[0] > 28_000 && before[1] > 28_000, "twenty pings moved nothing");
  for (const [index, one] of [rxBytes, txBytes, rxErrors, txErrors].entries()) {
    const value = Number(one!.value);
    assert(before[index] <= value && value <= after[index], `${value} is not within ${before[index]}–${after[index]}`);
  }
});

test(
  "PodSandboxStats() of a pod whose interface is gone have no network, and not one without its default interface",
  async (bench) => {
    const { sandbox } = await bench.run();
    const network = async () =>
      (await bench.client.podSandboxStats({ podSandboxId: sandbox.id })).stats!.linux!.network;
    assertEquals((await network())?.defaultInterface?.name, "eth0");
    const net = `--net=/run/netns/skiff-${sandbox.id}`;
    await bench.node.holder.run("nsenter", net, "ip", "link", "del", "eth0");
    await waitUntil("it is seen", async () => (await network()) === undefined, 20_000);
  },
  skiffOnly,
);

test("ContainerStats() says the size of the writable layer", async (bench) => {
  const container = await bench.run();
  await bench.sh(container, "mkdir /made && dd if=/dev/zero of=/made/file bs=1M count=5 && touch /made/a /made/b");
  const upper = `${(bench.daemon as Instance).root}/containers/${container.id}/upper`;
  const kilobytes = Number((await run("du", ["-sk", upper])).split("\t")[0]);
  const { usedBytes, fsId, inodesUsed } = await waitUntil("it is measured", async () => {
    const { writableLayer } = (await bench.client.containerStats({ containerId: container.id })).stats!;
    return Number(writableLayer!.usedBytes!.value) > 1 << 20 && writableLayer!;
  }, 20_000);
  assertNear("size", usedBytes, kilobytes * 1024);
  assertEquals(Number(inodesUsed!.value), (await run("find", [upper])).trim().split("\n").length);
  assertEquals(upper.startsWith(fsId!.mountpoint), true);
}, skiffOnly);

test("ImageFsInfo() says how much layers and writable layers take", async (bench) => {
  await bench.run();
  const { imageFilesystems: [images], containerFilesystems: [containers] } = await bench.client.imageFsInfo();
  const kilobytes = Number((await run("du", ["-sk", "--apparent-size", images.fsId!.mountpoint])).split("\t")[0]);
  const folder = Deno.statSync(images.fsId!.mountpoint).size;
  assertNear("image file system", images.usedBytes, kilobytes * 1024 - folder);
  assert(containers.fsId!.mountpoint !== "" && containers.usedBytes!.value > 0n);
}, skiffOnly);

test("Lists of stats take their filters, and leave out what does not run", async (bench) => {
  const running = await bench.run({ labels: { app: "a", tier: "x" } });
  const ended = await bench.run({ labels: { app: "a" }, command: ["true"] });
  await bench.exited(ended.id);
  const listed = async (filter: Parameters<typeof bench.client.listContainerStats>[0]) =>
    (await bench.client.listContainerStats(filter)).stats.map((one) => one.attributes!.id);
  assertEquals(await listed({ filter: { labelSelector: { app: "a" } } }), [running.id]);
  assertEquals(await listed({ filter: { labelSelector: { app: "a", tier: "y" } } }), []);
  assertEquals(await listed({ filter: { id: running.id, podSandboxId: ended.sandbox.id } }), []);
  assertEquals(await listed({ filter: { podSandboxId: running.sandbox.id } }), [running.id]);
  await bench.client.stopPodSandbox({ podSandboxId: ended.sandbox.id });
  const pods = (await bench.client.listPodSandboxStats()).stats.map((one) => one.attributes!.id);
  assertEquals([pods.includes(running.sandbox.id), pods.includes(ended.sandbox.id)], [true, false]);
});

test("Each Stream list tells what its List tells", async (bench) => {
  const sandbox = await bench.sandbox();
  for (const name of ["a", "b", "c"]) await bench.run({ metadata: { name }, logPath: `${name}/0.log` }, sandbox);
  await bench.sandbox();
  const { client } = bench;
  const all = async <M, T>(messages: AsyncIterable<M>, items: (message: M) => T[]): Promise<T[]> => {
    const found: T[] = [];
    for await (const message of messages) found.push(...items(message));
    return found;
  };
  assertEquals(
    await all(client.streamPodSandboxes(), (one) => one.podSandboxes),
    (await client.listPodSandbox()).items,
  );
  assertEquals(
    await all(client.streamContainers(), (one) => one.containers),
    (await client.listContainers()).containers,
  );
  assertEquals(await all(client.streamImages(), (one) => one.images), (await client.listImages()).images);
  const ids = (stats: { attributes?: { id: string } }[]) => stats.map(({ attributes }) => attributes!.id);
  const containerIds = ids(await all(client.streamContainerStats(), (one) => one.containerStats));
  assertEquals(containerIds, ids((await client.listContainerStats()).stats));
  const podIds = ids(await all(client.streamPodSandboxStats(), (one) => one.podSandboxStats));
  assertEquals(podIds, ids((await client.listPodSandboxStats()).stats));
  assertEquals([containerIds.length, podIds.length], [3, 2]);
  const filtered = await all(
    client.streamContainers({ filter: { podSandboxId: sandbox.id } }),
    (one) => one.containers,
  );
  assertEquals(filtered.length, 3);
  if (!onSkiff) return;
  assertEquals(
    await all(client.streamPodSandboxMetrics(), (one) => one.podSandboxMetrics),
    (await client.listPodSandboxMetrics()).podMetrics,
  );
});
