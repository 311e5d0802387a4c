import { assert, assertEquals, assertMatch } from "@std/assert";
import { ContainerState, MountPropagation } from "../../proto/gen/runtime/v1/api.ts";
import { Code } from "../support/client.ts";
import { assertRefused } from "../support/pods.ts";
import { suite } from "../support/suite.ts";

const { test } = suite();
const unknown = "0".repeat(64);

test("ContainerStatus() follows a container from created to running to exited", async (bench) => {
  const host = `${bench.node.dir}/volume`;
  await Deno.mkdir(host, { recursive: true });
  const container = await bench.create(await bench.sandbox(), {
    command: ["/bin/sh", "-c", "sleep 0.3; exit 7"],
    labels: { a: "1" },
    annotations: { b: "zwei\n" },
    mounts: [{ containerPath: "/data", hostPath: host, readonly: true }],
    linux: { resources: { cpuShares: 512n, memoryLimitInBytes: 64n << 20n } },
  });
  const created = await bench.status(container.id);
  assertEquals(created.state, ContainerState.CONTAINER_CREATED);
  assertEquals([created.startedAt, created.finishedAt, created.exitCode], [0n, 0n, 0]);
  assertEquals(created.metadata, container.config.metadata);
  assertEquals([created.labels, created.annotations], [{ a: "1" }, { b: "zwei\n" }]);
  assertEquals(created.logPath, container.log);
  assertEquals(created.image?.image, bench.busybox);
  assertMatch(created.imageRef, /sha256:[0-9a-f]{64}$/);
  assertEquals(created.imageId, (await bench.client.imageStatus({ image: { image: bench.busybox } })).image!.id);
  const [mount] = created.mounts.filter((one) => one.containerPath === "/data");
  assertEquals([mount.hostPath, mount.readonly, mount.propagation], [host, true, MountPropagation.PROPAGATION_PRIVATE]);
  assertEquals(created.resources?.linux?.memoryLimitInBytes, 64n << 20n);
  assertEquals(created.resources?.linux?.cpuShares, 512n);

  await bench.client.startContainer({ containerId: container.id });
  const running = await bench.status(container.id);
  assertEquals(running.state, ContainerState.CONTAINER_RUNNING);
  assert(running.startedAt >= created.createdAt, "started before it was created");
  assertEquals([running.user?.linux?.uid, running.user?.linux?.gid], [0n, 0n]);

  const exited = await bench.exited(container.id);
  assertEquals([exited.exitCode, exited.reason], [7, "Error"]);
  assert(exited.finishedAt > running.startedAt, "finished before it was started");
});

test("ContainerStatus() says Completed and 0 for a container that did its work", async (bench) => {
  const { status } = await bench.runScript("true");
  assertEquals([status.exitCode, status.reason], [0, "Completed"]);
});

test("ContainerStatus() says 128 + the signal for a container that a signal ended", async (bench) => {
  const container = await bench.run();
  await bench.client.stopContainer({ containerId: container.id, timeout: 0n });
  assertEquals((await bench.exited(container.id)).exitCode, 137);
});

test("CreateContainer() with the same request again returns the same ID", async (bench) => {
  const sandbox = await bench.sandbox();
  const container = await bench.create(sandbox);
  assertEquals((await bench.create(sandbox)).id, container.id);
  await bench.client.startContainer({ containerId: container.id });
  assertEquals((await bench.create(sandbox)).id, container.id);
}, { skiffOnly: "it says that the name is reserved" });

test("CreateContainer() for a name that another content has says AlreadyExists, the ID and the fields", async (bench) => {
  const sandbox = await bench.sandbox();
  const { id } = await bench.create(sandbox);
  await assertRefused(
    bench.create(sandbox, { args: ["x"], workingDir: "/tmp" }),
    Code.ALREADY_EXISTS,
    id,
    "args",
    "working_dir",
  );
});

test("CreateContainer() refuses an image that isn't there and a pod that isn't", async (bench) => {
  const sandbox = await bench.sandbox();
  const image = bench.node.image("test/nothing:1");
  await assertRefused(bench.create(sandbox, { image: { image } }), Code.NOT_FOUND, image);
  await assertRefused(bench.create({ ...sandbox, id: unknown }), Code.NOT_FOUND, unknown.slice(0, 12));
});

test("CreateContainer() refuses a stopped pod", async (bench) => {
  const sandbox = await bench.sandbox();
  await bench.client.stopPodSandbox({ podSandboxId: sandbox.id });
  await assertRefused(bench.create(sandbox), Code.FAILED_PRECONDITION, sandbox.id.slice(0, 12));
});

test("CreateContainer() takes an image by ID and by ID prefix", async (bench) => {
  const sandbox = await bench.sandbox();
  const image = (await bench.client.imageStatus({ image: { image: bench.busybox } })).image!.id;
  const byId = await bench.create(sandbox, { metadata: { name: "by-id" }, image: { image } });
  assertEquals((await bench.status(byId.id)).imageId, image);
  // The kubelet gives the ID, and the name beside it that people know the image by.
  const named = await bench.create(sandbox, {
    metadata: { name: "named" },
    image: { image, userSpecifiedImage: bench.busybox },
  });
  assertEquals((await bench.status(named.id)).image?.image, bench.busybox);
});

test("StartContainer() twice is refused, and so is one that has exited", async (bench) => {
  const container = await bench.run({ command: ["true"] });
  await bench.exited(container.id);
  await assertRefused(bench.client.startContainer({ containerId: container.id }), Code.FAILED_PRECONDITION, "exited");
  const running = await bench.run({ metadata: { name: "second" } }, container.sandbox);
  await assertRefused(bench.client.startContainer({ containerId: running.id }), Code.FAILED_PRECONDITION, "running");
});

test("A command that isn't in the image fails with its name, and the container can be removed", async (bench) => {
  const sandbox = await bench.sandbox();
  const attempt = (async () => {
    const container = await bench.create(sandbox, { command: ["/no/such/program"] });
    await bench.client.startContainer({ containerId: container.id });
  })();
  await assertRefused(attempt, [Code.INVALID_ARGUMENT, Code.FAILED_PRECONDITION, Code.NOT_FOUND], "/no/such/program");
  for (const { id } of (await bench.client.listContainers({ filter: { podSandboxId: sandbox.id } })).containers) {
    await bench.client.removeContainer({ containerId: id });
  }
  assertEquals((await bench.client.listContainers({ filter: { podSandboxId: sandbox.id } })).containers, []);
});

test("RemoveContainer() takes a running container, is repeatable, and knows no unknown one", async (bench) => {
  const { id } = await bench.run();
  await bench.client.removeContainer({ containerId: id });
  await bench.client.removeContainer({ containerId: id });
  await bench.client.removeContainer({ containerId: unknown });
  await assertRefused(bench.client.containerStatus({ containerId: id }), Code.NOT_FOUND, id.slice(0, 12));
});

test("The name of a removed container is free again", async (bench) => {
  const first = await bench.run();
  await bench.client.removeContainer({ containerId: first.id });
  const second = await bench.run({}, first.sandbox);
  assert(second.id !== first.id, "an ID came back");
});

test("Calls for an unknown container are NotFound", async ({ client }) => {
  for (
    const call of [
      () => client.containerStatus({ containerId: unknown }),
      () => client.startContainer({ containerId: unknown }),
      () => client.execSync({ containerId: unknown, cmd: ["true"] }),
      () => client.updateContainerResources({ containerId: unknown, linux: { cpuShares: 2n } }),
      () => client.reopenContainerLog({ containerId: unknown }),
      () => client.containerStats({ containerId: unknown }),
    ]
  ) await assertRefused(call(), Code.NOT_FOUND, unknown.slice(0, 12));
  await client.stopContainer({ containerId: unknown, timeout: 1n });
});

test("ListContainers() filters by ID prefix, state, pod, labels, and all of them together", async (bench) => {
  const labels = { app: bench.prefix };
  const running = await bench.run({ labels: { ...labels, role: "a" } });
  const created = await bench.create(running.sandbox, { metadata: { name: "created" }, labels });
  const other = await bench.run({ labels: { ...labels, role: "b" }, command: ["true"] });
  await bench.exited(other.id);
  const list = async (filter: NonNullable<Parameters<typeof bench.client.listContainers>[0]>["filter"]) =>
    (await bench.client.listContainers({ filter })).containers.map((one) => one.id).sort();
  const sorted = (...ids: string[]) => ids.sort();
  assertEquals(await list({ labelSelector: labels }), sorted(running.id, created.id, other.id));
  assertEquals(await list({ labelSelector: { ...labels, role: "b" } }), [other.id]);
  assertEquals(await list({ podSandboxId: running.sandbox.id }), sorted(running.id, created.id));
  assertEquals(await list({ podSandboxId: running.sandbox.id.slice(0, 12) }), sorted(running.id, created.id));
  assertEquals(await list({ id: other.id }), [other.id]);
  assertEquals(await list({ id: other.id.slice(0, 12) }), [other.id]);
  assertEquals(await list({ state: { state: ContainerState.CONTAINER_CREATED }, labelSelector: labels }), [created.id]);
  assertEquals(await list({ state: { state: ContainerState.CONTAINER_EXITED }, labelSelector: labels }), [other.id]);
  assertEquals(await list({ state: { state: ContainerState.CONTAINER_RUNNING }, podSandboxId: other.sandbox.id }), []);
  assertEquals(await list({ id: unknown }), []);
});

test("ContainerStats() and ListContainerStats() measure what runs", async (bench) => {
  const { id, sandbox } = await bench.run({
    command: [
      "/bin/sh",
      "-c",
      "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; dd if=/dev/zero of=/tmp/file bs=1M count=3; sleep 3600",
    ],
  });
  await new Promise((resolve) => setTimeout(resolve, 700));
  const { stats } = await bench.client.containerStats({ containerId: id });
  assertEquals(stats!.attributes?.id, id);
  assert(stats!.cpu!.usageCoreNanoSeconds!.value > 0n, "no CPU time");
  assert(stats!.memory!.workingSetBytes!.value > 0n, "no memory");
  assert(stats!.memory!.usageBytes!.value >= stats!.memory!.workingSetBytes!.value, "working set above usage");
  const listed = await bench.client.listContainerStats({ filter: { podSandboxId: sandbox.id } });
  assertEquals(listed.stats.map((one) => one.attributes?.id), [id]);
});
