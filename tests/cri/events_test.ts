import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ContainerState, PodSandboxState } from "../../proto/gen/runtime/v1/api.ts";
import { processesIn } from "../support/cgroups.ts";
import { sleep, waitUntil } from "../support/command.ts";
import { Crictl } from "../support/crictl.ts";
import type { Daemon } from "../support/daemon.ts";
import { EventFollower } from "../support/events.ts";
import { suite } from "../support/suite.ts";

const { test } = suite();
const full = Deno.env.get("SKIFF_TEST_FULL") === "1";
const skiffOnly = { skiffOnly: "it sends no snapshot and keeps no order between clients" };
const life = ["created", "started", "stopped", "deleted"];

const openFiles = ({ pid }: Daemon) => [...Deno.readDirSync(`/proc/${pid}/fd`)].length;

/** The lowest of some looks, in MB: after a burst of work the daemon gives memory back within seconds. */
async function settledMemory(daemon: Daemon): Promise<number> {
  let lowest = Infinity;
  for (let look = 0; look < 8; look++) {
    await sleep(500);
    lowest = Math.min(lowest, daemon.rss());
  }
  return lowest;
}

test("GetContainerEvents() begins with what there is: pods and containers in the state they are in", async (bench) => {
  const sandbox = await bench.sandbox();
  const stopped = await bench.sandbox();
  await bench.client.stopPodSandbox({ podSandboxId: stopped.id });
  const running = await bench.run({ metadata: { name: "running" }, logPath: "running.log" }, sandbox);
  const created = await bench.create(sandbox, { metadata: { name: "created" }, logPath: "created.log" });
  const { container: exited } = await bench.runScript(
    "exit 3",
    { metadata: { name: "exited" }, logPath: "exited.log" },
    sandbox,
  );
  using follower = await EventFollower.connect(bench.daemon.socket);
  await waitUntil("all are told", () => follower.events.length >= 5);
  assertEquals(follower.events.length, 5);
  assertEquals(follower.of(sandbox.id), ["started"]);
  assertEquals(follower.of(stopped.id), ["stopped"]);
  assertEquals(follower.of(running.id), ["started"]);
  assertEquals(follower.of(created.id), ["created"]);
  assertEquals(follower.of(exited.id), ["stopped"]);
  const times = follower.events.map(({ createdAt }) => createdAt);
  // The kubelet drops what is older than what it had of the same pod.
  assertEquals(times, times.toSorted((a, b) => Number(a - b)));
  const ended = follower.events.find(({ containerId }) => containerId === exited.id)!;
  assertEquals(ended.podSandboxStatus?.metadata?.uid, sandbox.config.metadata!.uid);
  const states = Object.fromEntries(ended.containersStatuses.map(({ id, state }) => [id, state]));
  assertEquals(states, {
    [running.id]: ContainerState.CONTAINER_RUNNING,
    [created.id]: ContainerState.CONTAINER_CREATED,
    [exited.id]: ContainerState.CONTAINER_EXITED,
  });
}, skiffOnly);

test(
  "GetContainerEvents() tells the life of a pod and its container, in order, each time with the pod",
  async (bench) => {
    using follower = await EventFollower.connect(bench.daemon.socket);
    using other = await EventFollower.connect(bench.daemon.socket);
    const { container } = await bench.runScript("exit 3");
    const { id, sandbox } = container;
    await bench.client.removeContainer({ containerId: id });
    await bench.remove(sandbox.id);
    for (const one of [follower, other]) {
      await one.until(sandbox.id, "deleted");
      assertEquals(one.of(id), life);
      assertEquals(one.of(sandbox.id), life);
    }
    for (const { podSandboxStatus, createdAt } of follower.events) {
      assertEquals(podSandboxStatus?.metadata, sandbox.config.metadata);
      assert(createdAt > 0n);
    }
    const order = follower.events.map(({ containerId }) => containerId === id ? "container" : "pod");
    assertEquals(order, ["pod", "pod", "container", "container", "container", "container", "pod", "pod"]);
    const stopped = follower.events[4];
    assertEquals([stopped.containersStatuses[0].state, stopped.containersStatuses[0].exitCode], [
      ContainerState.CONTAINER_EXITED,
      3,
    ]);
    assertEquals(follower.events.at(-1)!.podSandboxStatus?.state, PodSandboxState.SANDBOX_NOTREADY);
  },
  skiffOnly,
);

test("GetContainerEvents() tells of a container that somebody else kills", async (bench) => {
  const container = await bench.run();
  using follower = await EventFollower.connect(bench.daemon.socket);
  await follower.until(container.id, "started");
  for (const pid of processesIn(`${bench.node.pods}/${container.id}`)) Deno.kill(pid, "SIGKILL");
  await follower.until(container.id, "stopped", 5_000);
  assertEquals(follower.of(container.id), ["started", "stopped"]);
});

test(
  "GetContainerEvents() for a client that does not read: others are told all, and the daemon does not grow",
  async (bench) => {
    using _asleep = await EventFollower.connect(bench.daemon.socket, { reads: false });
    using follower = await EventFollower.connect(bench.daemon.socket);
    const sandbox = await bench.sandbox();
    const ids: string[] = [];
    const one = async (index: number) => {
      const { id } = await bench.run({ metadata: { name: `c${index}` }, logPath: "", command: ["true"] }, sandbox);
      await bench.exited(id);
      await bench.client.removeContainer({ containerId: id });
      ids.push(id);
    };
    const wave = async (from: number, to: number) => {
      for (let index = from; index < to; index += 4) {
        await Promise.all([0, 1, 2, 3].map((offset) => one(index + offset)));
      }
    };
    const [warmUp, count] = full ? [400, 1_650] : [20, 60];
    await wave(0, warmUp);
    const before = await settledMemory(bench.daemon);
    await wave(warmUp, count);
    for (const id of ids) await follower.until(id, "deleted");
    for (const id of ids) assertEquals(follower.of(id), life);
    const grown = await settledMemory(bench.daemon) - before;
    console.log(`${follower.events.length} events; the daemon grew by ${grown.toFixed(1)} MB`);
    assert(grown < 12, `the daemon grew by ${grown.toFixed(1)} MB`);
  },
  skiffOnly,
);

test("GetContainerEvents() ends with its client: five hundred connects leave nothing", async (bench) => {
  const container = await bench.run();
  const connect = async () => {
    using follower = await EventFollower.connect(bench.daemon.socket);
    await waitUntil("the first event is there", () => follower.events.length > 0, 10_000, 2);
  };
  for (let round = 0; round < 50; round++) await connect();
  await sleep(1_000);
  const [files, memory] = [openFiles(bench.daemon), bench.daemon.rss()];
  for (let round = 0; round < 500; round++) await connect();
  await waitUntil("descriptors are closed", () => openFiles(bench.daemon) <= files);
  const grown = bench.daemon.rss() - memory;
  assert(grown < 12, `the daemon grew by ${grown.toFixed(1)} MB`);
  // Nobody's place is kept: it still tells who is there.
  using follower = await EventFollower.connect(bench.daemon.socket);
  await follower.until(container.id, "started");
  await bench.client.stopContainer({ containerId: container.id, timeout: 0n });
  await follower.until(container.id, "stopped");
});

test("GetContainerEvents() doesn't hold up the end of the daemon, and tells its client to ask again", async (bench) => {
  const { id } = await bench.run();
  const following = new Crictl(bench.daemon).try("events");
  await sleep(500);
  const began = performance.now();
  await bench.daemon.stop();
  const took = performance.now() - began;
  assert(took < 5_000, `the daemon took ${took.toFixed(0)} ms to end`);
  const { stdout, stderr } = await following;
  assertStringIncludes(stdout, id);
  assertStringIncludes(stderr, "the daemon stops");
  await bench.daemon.start();
  using again = await EventFollower.connect(bench.daemon.socket);
  await again.until(id, "started");
}, skiffOnly);
