/** What a daemon makes on the node for itself, and what a stop leaves of it. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { ContainerState } from "../../proto/gen/runtime/v1/api.ts";
import { CallError } from "../support/client.ts";
import { Instance } from "../support/instance.ts";
import { TestNode } from "../support/node.ts";
import { Workbench } from "../support/pods.ts";
import { onSkiff } from "../support/runtime_under_test.ts";
import { sleep, tryRun, waitUntil } from "../support/command.ts";
import { exists, tools } from "../support/tools.ts";
import { rootTest } from "../support/root_test.ts";

function test(name: string, body: (node: TestNode, daemon: Instance) => Promise<void>): void {
  rootTest(name, async () => {
    // Here the daemon makes /run/netns itself; what is mounted there stays in the node's mount namespace.
    await using node = await TestNode.start({ privateNetnsDir: false });
    await using daemon = new Instance(node);
    await body(node, daemon);
  }, !onSkiff);
}

test("A daemon that stops without pods leaves no process, mount, namespace or cgroup", async (node, daemon) => {
  const before = await node.snapshot();
  await daemon.start();
  const bench = new Workbench(daemon);
  await bench.pull();
  const container = await bench.run();
  await bench.remove(container.sandbox.id);
  await daemon.stop();
  const left = await node.leftSince(before);
  const own = new RegExp(
    `^(cgroup: \\S+/${node.name}/skiff|link: skiff-test0|packet filter rule: .*|mount: /run/netns .*)$`,
  );
  assertEquals(left.filter((line) => !own.test(line)), []);
});

test(
  "A pod's network namespace is pinned where other tools look for it, under a shared mount",
  async (node, daemon) => {
    await daemon.start();
    await using bench = new Workbench(daemon);
    await bench.pull();
    const sandbox = await bench.sandbox();
    const table = (await Deno.readTextFile(`/proc/${node.holder.pid}/mountinfo`)).split("\n");
    assert(table.some((line) => / \/run\/netns [^-]*shared:\d+ /.test(line)), "/run/netns is not a shared mount");
    const pin = table.find((line) => line.includes(` /run/netns/skiff-${sandbox.id}`));
    assert(pin, "the pod's namespace is not at /run/netns/skiff-ID");
    assertMatch(pin, / - nsfs nsfs /);
    await bench.remove(sandbox.id);
    assert(!exists(`/run/netns/skiff-${sandbox.id}`));
  },
);

test("A second daemon on the same socket or the same store is refused, and the first goes on", async (node, daemon) => {
  await daemon.start();
  const second = await tryRun("nsenter", node.holder.enter(tools.skiff, ["serve", "--config", daemon.configFile]), {
    timeout: 20_000,
  });
  assert(second.code !== 0, "two daemons on one store");
  assertMatch(second.stderr, /skiff\.sock|store|already/i);
  await daemon.client.version({});
});

test("A socket that a dead daemon left behind is taken over", async (_node, daemon) => {
  await daemon.start();
  await daemon.kill9();
  assert(exists(daemon.socket), "the socket file is gone by itself");
  await daemon.start();
});

test(
  "The lock that a killed daemon's unborn child still has holds a start up, and does not end it",
  async (_node, daemon) => {
    await daemon.start();
    await daemon.kill9();
    const lock = `${daemon.root}/lock`;
    const child = new Deno.Command("flock", { args: ["--no-fork", lock, "sleep", "0.7"] }).spawn();
    await waitUntil("the lock is held", async () => (await tryRun("flock", ["--nonblock", lock, "true"])).code !== 0);
    const took = await daemon.start();
    assert(took > 300, `it began after ${took} ms, beside the lock's holder`);
    await child.status;
  },
);

test("SIGTERM while calls run: the daemon ends, and the calls end with an answer", async (_node, daemon) => {
  await daemon.start();
  await using bench = new Workbench(daemon);
  await bench.pull();
  const container = await bench.run();
  const running = bench.client.execSync({ containerId: container.id, cmd: ["sleep", "3"] }).then(
    () => "done",
    (error) => error.name,
  );
  await new Promise((resolve) => setTimeout(resolve, 300));
  const began = Date.now();
  assertEquals(await daemon.stop(), 0);
  assert(Date.now() - began < 10_000);
  assert(["done", "CallError"].includes(await running));
  await daemon.start();
});

test(
  "A daemon stops within seconds while a container is being stopped, which the next one goes on with",
  async (_, daemon) => {
    await daemon.start();
    await using bench = new Workbench(daemon);
    await bench.pull();
    const { id } = await bench.run({ command: ["/bin/sh", "-c", "trap '' TERM; while :; do sleep 0.2; done"] });
    const stopping = assertRejects(() => daemon.client.stopContainer({ containerId: id, timeout: 600n }), CallError);
    await sleep(300);
    const began = Date.now();
    assertEquals(await daemon.stop(), 0);
    assert(Date.now() - began < 9_000, `it took ${Date.now() - began} ms`);
    await stopping;
    await daemon.start();
    assertEquals((await bench.status(id)).state, ContainerState.CONTAINER_RUNNING);
    await daemon.client.stopContainer({ containerId: id, timeout: 1n });
    assertEquals((await bench.status(id)).exitCode, 137);
  },
);
