/** Requests that make no sense: the right code, the field's name, at once, and nothing made. */
import { assert, assertEquals } from "@std/assert";
import { cgroupsBelow } from "../support/cgroups.ts";
import { Code } from "../support/client.ts";
import { assertRefused, env, type Workbench } from "../support/pods.ts";
import { onSkiff } from "../support/runtime_under_test.ts";
import { suite } from "../support/suite.ts";

const { test } = suite();

type SandboxPart = Parameters<Workbench["sandboxConfig"]>[0];

async function refusedSandbox(bench: Workbench, part: SandboxPart, ...words: string[]): Promise<void> {
  const config = { ...bench.sandboxConfig(part), ...(part?.metadata ? { metadata: part.metadata } : {}) };
  const call = bench.client.runPodSandbox({ config });
  call.then(({ podSandboxId }) => bench.adopt(podSandboxId), () => undefined);
  await assertRefused(call, Code.INVALID_ARGUMENT, ...words);
}

test("RunPodSandbox() without its parts names the part", async (bench) => {
  await assertRefused(bench.client.runPodSandbox({}), Code.INVALID_ARGUMENT, "config");
  await assertRefused(bench.client.runPodSandbox({ config: {} }), Code.INVALID_ARGUMENT, "metadata");
  const metadata = { name: "n", namespace: "ns", uid: "u", attempt: 0 };
  await refusedSandbox(bench, { metadata: { ...metadata, name: "" } }, "metadata.name");
  await refusedSandbox(bench, { metadata: { ...metadata, namespace: "" } }, "metadata.namespace");
  await refusedSandbox(bench, { metadata: { ...metadata, uid: "" } }, "metadata.uid");
});

test("RunPodSandbox() refuses control bytes and line breaks in what ends in files", async (bench) => {
  for (const byte of ["\n", "\r", "\0", "\x1b"]) {
    await refusedSandbox(bench, { hostname: `a${byte}b` }, "hostname");
    await refusedSandbox(bench, { dnsConfig: { servers: [`10.0.0.1${byte}options x`] } }, "dns_config.servers");
    await refusedSandbox(bench, { dnsConfig: { searches: [`local${byte}nameserver 6.6.6.6`] } }, "dns_config.searches");
    await refusedSandbox(bench, { dnsConfig: { options: [`ndots:1${byte}x`] } }, "dns_config.options");
  }
  await refusedSandbox(bench, { hostname: "x".repeat(65) }, "hostname");
  await refusedSandbox(bench, { hostname: "../../etc" }, "hostname");
});

test("RunPodSandbox() refuses names that would be paths", async (bench) => {
  const metadata = { name: "n", namespace: "ns", uid: "u", attempt: 0 };
  await refusedSandbox(bench, { metadata: { ...metadata, namespace: "../../x" } }, "metadata.namespace");
  await refusedSandbox(bench, { metadata: { ...metadata, uid: ".." } }, "metadata.uid");
  await refusedSandbox(bench, { metadata: { ...metadata, name: "a/b" } }, "metadata.name");
});

test("RunPodSandbox() refuses folders and cgroups that are none", async (bench) => {
  await refusedSandbox(bench, { logDirectory: "relative/logs" }, "log_directory");
  await refusedSandbox(bench, { logDirectory: "/a/../../b" }, "log_directory");
  await refusedSandbox(bench, { linux: { cgroupParent: "/a/../../../skiff-escaped" } }, "cgroup_parent");
  assertEquals(cgroupsBelow("/skiff-escaped"), []);
  await refusedSandbox(bench, { linux: { cgroupParent: "/a\nb" } }, "cgroup_parent");
}, { skiffOnly: "it makes the cgroup" });

test("RunPodSandbox() refuses ports that are none", async (bench) => {
  for (
    const mapping of [
      { containerPort: 0, hostPort: 80 },
      { containerPort: 70_000, hostPort: 80 },
      { containerPort: 80, hostPort: -1 },
      { containerPort: 80, hostPort: 65_536 },
      { containerPort: 80, hostPort: 8080, hostIp: "not-an-ip" },
    ]
  ) {
    await refusedSandbox(bench, { portMappings: [mapping] }, "port_mappings");
  }
});

test("CreateContainer() without its parts names the part", async (bench) => {
  const sandbox = await bench.sandbox();
  const call = (request: any) =>
    bench.client.createContainer({ podSandboxId: sandbox.id, sandboxConfig: sandbox.config, ...request });
  await assertRefused(
    call({ podSandboxId: "", config: bench.containerConfig() }),
    Code.INVALID_ARGUMENT,
    "pod_sandbox_id",
  );
  await assertRefused(call({}), Code.INVALID_ARGUMENT, "config");
  await assertRefused(
    call({ config: { ...bench.containerConfig(), metadata: undefined } }),
    Code.INVALID_ARGUMENT,
    "metadata",
  );
  await assertRefused(
    call({ config: { ...bench.containerConfig(), metadata: { name: "", attempt: 0 } } }),
    Code.INVALID_ARGUMENT,
    "metadata.name",
  );
  await assertRefused(
    call({ config: { ...bench.containerConfig(), image: undefined } }),
    Code.INVALID_ARGUMENT,
    "image",
  );
  await assertRefused(
    call({ config: { ...bench.containerConfig(), image: { image: "" } } }),
    Code.INVALID_ARGUMENT,
    "image",
  );
});

test("CreateContainer() refuses what would end in a wrong place", async (bench) => {
  const sandbox = await bench.sandbox();
  const create = (part: Parameters<Workbench["create"]>[1]) => bench.create(sandbox, part);
  await assertRefused(create({ metadata: { name: "a/b" }, logPath: "x.log" }), Code.INVALID_ARGUMENT, "metadata.name");
  await assertRefused(create({ workingDir: "relative" }), Code.INVALID_ARGUMENT, "working_dir");
  await assertRefused(create({ envs: env({ "": "x" }) }), Code.INVALID_ARGUMENT, "envs");
  await assertRefused(create({ envs: env({ "A=B": "x" }) }), Code.INVALID_ARGUMENT, "envs");
  await assertRefused(create({ envs: env({ A: "x\0y" }) }), Code.INVALID_ARGUMENT, "envs");
  await assertRefused(create({ command: ["a\0b"] }), Code.INVALID_ARGUMENT, "command");
  await assertRefused(
    create({ devices: [{ containerPath: "relative", hostPath: "/dev/null", permissions: "r" }] }),
    Code.INVALID_ARGUMENT,
    "container_path",
  );
  await assertRefused(
    create({ devices: [{ containerPath: "/dev/x", hostPath: "/dev/null", permissions: "rq" }] }),
    Code.INVALID_ARGUMENT,
    "permissions",
  );
  if (onSkiff) {
    assertEquals((await bench.client.listContainers({ filter: { podSandboxId: sandbox.id } })).containers, []);
  }
});

test("CreateContainer() refuses limits that can't be", async (bench) => {
  const sandbox = await bench.sandbox();
  const create = (resources: any) => bench.create(sandbox, { linux: { resources } });
  await assertRefused(create({ memoryLimitInBytes: 4096n }), Code.INVALID_ARGUMENT, "memory_limit_in_bytes");
  await assertRefused(create({ memoryLimitInBytes: -5n }), Code.INVALID_ARGUMENT, "memory_limit_in_bytes");
  await assertRefused(
    create({ memoryLimitInBytes: 64n << 20n, memorySwapLimitInBytes: 32n << 20n }),
    Code.INVALID_ARGUMENT,
    "memory_swap_limit_in_bytes",
  );
  await assertRefused(create({ oomScoreAdj: 1001n }), Code.INVALID_ARGUMENT, "oom_score_adj");
  await assertRefused(create({ cpusetCpus: "0;1" }), Code.INVALID_ARGUMENT, "cpuset_cpus");
  await assertRefused(create({ unified: { "../memory.max": "max" } }), Code.INVALID_ARGUMENT, "unified");
});

test("calls without an ID say which ID", async ({ client }) => {
  await assertRefused(client.podSandboxStatus({}), Code.INVALID_ARGUMENT, "pod_sandbox_id");
  await assertRefused(client.stopPodSandbox({}), Code.INVALID_ARGUMENT, "pod_sandbox_id");
  await assertRefused(client.removePodSandbox({}), Code.INVALID_ARGUMENT, "pod_sandbox_id");
  for (const call of [client.containerStatus, client.startContainer, client.stopContainer, client.removeContainer]) {
    await assertRefused(call({} as any), Code.INVALID_ARGUMENT, "container_id");
  }
  await assertRefused(client.execSync({ cmd: ["true"] }), Code.INVALID_ARGUMENT, "container_id");
  await assertRefused(client.imageStatus({}), Code.INVALID_ARGUMENT, "image");
  await assertRefused(client.removeImage({}), Code.INVALID_ARGUMENT, "image");
});

test("an ID with a path in it finds nothing", async ({ client }) => {
  for (const id of ["../../etc", "/etc/passwd", "..", "%2e%2e"]) {
    await assertRefused(client.containerStatus({ containerId: id }), [Code.NOT_FOUND, Code.INVALID_ARGUMENT]);
    await assertRefused(client.podSandboxStatus({ podSandboxId: id }), [Code.NOT_FOUND, Code.INVALID_ARGUMENT]);
  }
});

test("requests far beyond any pod are refused or served, quickly, and the daemon goes on", async (bench) => {
  const sandbox = await bench.sandbox();
  const began = Date.now();
  const many = Object.fromEntries(
    Array.from({ length: 100_000 }, (_, number) => [`VARIABLE_${number}`, "x".repeat(20)]),
  );
  await Promise.allSettled([
    bench.create(sandbox, { metadata: { name: "envs" }, envs: env(many) }),
    bench.create(sandbox, { metadata: { name: "labels" }, labels: { big: "x".repeat(8 << 20) } }),
    bench.create(sandbox, {
      metadata: { name: "deep" },
      mounts: [{ containerPath: "/" + "d/".repeat(5_000), hostPath: "/tmp" }],
    }),
    bench.create(sandbox, { metadata: { name: "x".repeat(100_000) }, logPath: "x.log" }),
  ]);
  assert(Date.now() - began < 30_000, `took ${Date.now() - began} ms`);
  await bench.client.version({}, { timeout: 2_000 });
});

test("an RPC that isn't built yet says so by name", async ({ client }) => {
  await assertRefused(
    client.checkpointPod({ podSandboxId: "x", outputPath: "/tmp/x" }),
    Code.UNIMPLEMENTED,
    "CheckpointPod",
  );
  await assertRefused(client.restorePod({ checkpointPath: "/tmp/x" }), Code.UNIMPLEMENTED, "RestorePod");
});
