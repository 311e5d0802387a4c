import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { NamespaceMode, PodSandboxState } from "../../proto/gen/runtime/v1/api.ts";
import { Code, type CriClient } from "../support/client.ts";
import { assertRefused } from "../support/pods.ts";
import { onSkiff } from "../support/runtime_under_test.ts";
import { suite } from "../support/suite.ts";

const { test } = suite();

const stateOf = async (client: CriClient, podSandboxId: string) =>
  (await client.podSandboxStatus({ podSandboxId })).status!.state;

test("RunPodSandbox() gives a pod an address and reports the request back byte for byte", async (bench) => {
  const began = BigInt(Date.now()) * 1_000_000n;
  const annotations = { "a/b": "1", "übung": "Zürich\n\ttab", empty: "" };
  const { id, config } = await bench.sandbox({ annotations }, "runc");
  const { status, timestamp } = await bench.client.podSandboxStatus({ podSandboxId: id });
  // The kubelet of 1.37 with EventedPLEG on runs init containers again and again where there is one.
  if (onSkiff) assertEquals(timestamp, 0n);
  assertEquals(status!.metadata, config.metadata);
  assertEquals(status!.labels, config.labels);
  assertEquals(status!.annotations, annotations);
  assertEquals(status!.state, PodSandboxState.SANDBOX_READY);
  assertEquals(status!.runtimeHandler, "runc");
  assert(status!.network!.ip.startsWith(`${bench.node.subnet}.`), status!.network!.ip);
  assertEquals(status!.network!.additionalIps, []);
  const { network, pid, ipc } = status!.linux!.namespaces!.options!;
  assertEquals([network, pid, ipc], [NamespaceMode.POD, NamespaceMode.CONTAINER, NamespaceMode.POD]);
  assert(
    status!.createdAt >= began && status!.createdAt <= BigInt(Date.now()) * 1_000_000n,
    `created at ${status!.createdAt}`,
  );
});

test("RunPodSandbox() with the same request again returns the same ID", async (bench) => {
  const { id, config } = await bench.sandbox();
  assertEquals((await bench.client.runPodSandbox({ config })).podSandboxId, id);
  assertEquals((await bench.client.listPodSandbox({ filter: { id } })).items.length, 1);
}, { skiffOnly: "it says that the name is reserved" });

test("RunPodSandbox() asked for the same pod five times at once makes one", async (bench) => {
  const config = bench.sandboxConfig();
  await Deno.mkdir(config.logDirectory, { recursive: true });
  const replies = await Promise.all([1, 2, 3, 4, 5].map(() => bench.client.runPodSandbox({ config })));
  const ids = new Set(replies.map((reply) => bench.adopt(reply.podSandboxId)));
  assertEquals(ids.size, 1);
}, { skiffOnly: "it says that the name is reserved" });

test("RunPodSandbox() for a name that another content has says AlreadyExists, the ID and the fields", async (bench) => {
  const { id, config } = await bench.sandbox();
  const other = { ...config, hostname: "other", labels: { ...config.labels, more: "1" } };
  await assertRefused(bench.client.runPodSandbox({ config: other }), Code.ALREADY_EXISTS, id, "hostname", "labels");
});

test("RunPodSandbox() given up by its client goes on, and the retry gets the finished pod", async (bench) => {
  const config = bench.sandboxConfig();
  await Deno.mkdir(config.logDirectory, { recursive: true });
  await assertRefused(bench.client.runPodSandbox({ config }, { timeout: 5 }), Code.DEADLINE_EXCEEDED);
  const { podSandboxId } = await bench.client.runPodSandbox({ config });
  bench.adopt(podSandboxId);
  assertEquals(await stateOf(bench.client, podSandboxId), PodSandboxState.SANDBOX_READY);
  const { items } = await bench.client.listPodSandbox({ filter: { labelSelector: config.labels } });
  assertEquals(items.map((item) => item.id), [podSandboxId]);
}, { skiffOnly: "it rolls back and may say that the name is reserved" });

test("RunPodSandbox() with a new attempt makes another pod", async (bench) => {
  const first = await bench.sandbox();
  await bench.client.stopPodSandbox({ podSandboxId: first.id });
  const second = await bench.sandbox({ metadata: { ...first.config.metadata, attempt: 1 } });
  assertNotEquals(first.id, second.id);
});

test("RunPodSandbox() refuses an unknown runtime handler by name", async (bench) => {
  await assertRefused(bench.client.runPodSandbox({ config: bench.sandboxConfig(), runtimeHandler: "kata" }), [
    Code.INVALID_ARGUMENT,
    Code.NOT_FOUND,
  ], "kata");
});

test("StopPodSandbox() is repeatable, takes the address back, and knows no unknown pod", async (bench) => {
  const { id } = await bench.sandbox();
  for (let time = 0; time < 2; time++) {
    await bench.client.stopPodSandbox({ podSandboxId: id });
    assertEquals(await stateOf(bench.client, id), PodSandboxState.SANDBOX_NOTREADY);
  }
  assertEquals(leases(bench.node.leases), []);
  await bench.client.stopPodSandbox({ podSandboxId: "0".repeat(64) });
});

test("StopPodSandbox() ends every container, at once where it must not wait", async (bench) => {
  const { sandbox } = await bench.run();
  await bench.run(
    { metadata: { name: "deaf" }, command: ["/bin/sh", "-c", "trap '' TERM; while :; do sleep 1; done"] },
    sandbox,
  );
  await bench.client.stopPodSandbox({ podSandboxId: sandbox.id }, { timeout: 30_000 });
  const { containers } = await bench.client.listContainers({
    filter: { podSandboxId: sandbox.id, state: { state: 1 } },
  });
  assertEquals(containers, []);
});

test("RemovePodSandbox() takes running containers with it, is repeatable, and knows no unknown pod", async (bench) => {
  const { sandbox, id } = await bench.run();
  await bench.client.removePodSandbox({ podSandboxId: sandbox.id });
  await assertRefused(bench.client.podSandboxStatus({ podSandboxId: sandbox.id }), Code.NOT_FOUND, sandbox.id);
  await assertRefused(bench.client.containerStatus({ containerId: id }), Code.NOT_FOUND, id);
  await bench.client.removePodSandbox({ podSandboxId: sandbox.id });
  await bench.client.removePodSandbox({ podSandboxId: "0".repeat(64) });
});

test("PodSandboxStatus() of an unknown pod is NotFound", async ({ client }) => {
  await assertRefused(client.podSandboxStatus({ podSandboxId: "f".repeat(64) }), Code.NOT_FOUND, "f".repeat(12));
});

test("ListPodSandbox() filters by ID prefix, state, labels, and all of them together", async (bench) => {
  const labels = { app: bench.prefix };
  const ready = await bench.sandbox({ labels: { ...labels, tier: "front" } });
  const stopped = await bench.sandbox({ labels: { ...labels, tier: "back" } });
  await bench.client.stopPodSandbox({ podSandboxId: stopped.id });
  const list = async (filter: NonNullable<Parameters<typeof bench.client.listPodSandbox>[0]>["filter"]) =>
    (await bench.client.listPodSandbox({ filter })).items.map((item) => item.id).sort();
  const both = [ready.id, stopped.id].sort();
  assertEquals(await list({ labelSelector: labels }), both);
  assertEquals(await list({ labelSelector: { ...labels, tier: "back" } }), [stopped.id]);
  assertEquals(await list({ labelSelector: { tier: "none" } }), []);
  assertEquals(await list({ id: ready.id }), [ready.id]);
  assertEquals(await list({ id: ready.id.slice(0, 12) }), [ready.id]);
  assertEquals(await list({ id: "f".repeat(64) }), []);
  assertEquals(await list({ state: { state: PodSandboxState.SANDBOX_READY }, labelSelector: labels }), [ready.id]);
  assertEquals(await list({ state: { state: PodSandboxState.SANDBOX_NOTREADY }, labelSelector: labels }), [stopped.id]);
  assertEquals(await list({ id: ready.id, state: { state: PodSandboxState.SANDBOX_NOTREADY } }), []);
});

test("A pod's life leaves nothing behind", async (bench) => {
  const watched = onSkiff ? [`${bench.node.dir}/skiff-state`] : [];
  // The first pod makes what stays by design: the bridge, the layer's mount, the monitors' cgroup.
  const first = await bench.run();
  await bench.remove(first.sandbox.id);
  const before = await bench.node.snapshot(watched);
  const { container } = await bench.runScript("echo done");
  const sharing = await bench.sandbox({ linux: { securityContext: { namespaceOptions: { pid: NamespaceMode.POD } } } });
  await bench.run({ linux: { securityContext: { namespaceOptions: { pid: NamespaceMode.POD } } } }, sharing);
  await bench.remove(container.sandbox.id);
  await bench.remove(sharing.id);
  assertEquals(await bench.node.leftSince(before, watched), []);
});

function leases(dir: string): string[] {
  return [...Deno.readDirSync(`${dir}/test`)].map((entry) => entry.name).filter((name) =>
    /^\d+\.\d+\.\d+\.\d+$/.test(name)
  );
}
