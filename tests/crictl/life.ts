/** A pod's life as a person at a broken node types it, verb after verb. */
import { assert, assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import { waitUntil } from "../support/command.ts";
import { Crictl } from "../support/crictl.ts";
import type { Workbench } from "../support/pods.ts";

const id = /^[0-9a-f]{64}$/;

export async function life(bench: Workbench, runtime: string): Promise<void> {
  const { daemon, node } = bench;
  const crictl = new Crictl(daemon);
  await crictl.ask("pull", bench.busybox);
  const name = `crictl-${runtime}`;
  const podConfig = {
    metadata: { name, namespace: "default", uid: `uid-${name}`, attempt: 1 },
    hostname: name,
    log_directory: `${node.logs}/${name}`,
    labels: { app: name, tier: "test" },
    annotations: { note: "kept" },
    linux: { cgroup_parent: node.pods, security_context: { namespace_options: { pid: 1 } } },
  };
  const containerConfig = {
    metadata: { name: "talker", attempt: 2 },
    image: { image: bench.busybox },
    command: ["/bin/sh", "-c", 'echo "out $GREETING"; echo err >&2; exec sleep 3600'],
    envs: [{ key: "GREETING", value: "hello" }],
    // crictl takes the pod's name from these, as the kubelet sets them.
    labels: { app: name, "io.kubernetes.pod.name": name, "io.kubernetes.pod.namespace": "default" },
    annotations: { deploy: "7" },
    log_path: "talker/2.log",
    linux: { resources: { memory_limit_in_bytes: 64 << 20 }, security_context: { namespace_options: { pid: 1 } } },
  };
  Deno.mkdirSync(`${podConfig.log_directory}/talker`, { recursive: true });
  const podFile = crictl.file(`${name}-pod`, podConfig);
  const containerFile = crictl.file(`${name}-container`, containerConfig);

  const pod = bench.adopt(await crictl.ask("runp", "--runtime", runtime, podFile));
  assertMatch(pod, id);
  const { items } = await crictl.json("pods", "--name", name);
  assertEquals(items.length, 1);
  assertEquals([items[0].id, items[0].state, items[0].runtimeHandler], [pod, "SANDBOX_READY", runtime]);
  assertEquals(items[0].metadata, { name, namespace: "default", uid: `uid-${name}`, attempt: 1 });
  assertEquals(items[0].labels, { app: name, tier: "test" });
  assertEquals(await crictl.ask("pods", "-q", "--label", `app=${name}`, "--state", "ready"), pod);
  assertEquals(await crictl.ask("pods", "-q", "--label", "app=other"), "");
  assertEquals(await crictl.ask("pods", "-q", "--id", pod.slice(0, 13)), pod);

  const inspected = JSON.parse(await crictl.ask("inspectp", pod)).status;
  assertEquals(inspected.state, "SANDBOX_READY");
  assertEquals(inspected.annotations, { note: "kept" });
  assertMatch(inspected.network.ip, new RegExp(`^${node.subnet.replaceAll(".", "\\.")}\\.\\d+$`));

  const container = await crictl.ask("create", pod, containerFile, podFile);
  assertMatch(container, id);
  assertEquals((await crictl.json("ps", "-a", "--id", container)).containers[0].state, "CONTAINER_CREATED");
  assertEquals(await crictl.ask("start", container), container);

  const { containers } = await crictl.json("ps", "--pod", pod);
  assertEquals(containers.length, 1);
  const [running] = containers;
  assertEquals([running.id, running.podSandboxId, running.state], [container, pod, "CONTAINER_RUNNING"]);
  assertEquals(running.metadata, { name: "talker", attempt: 2 });
  assertMatch(running.imageRef, /sha256:[0-9a-f]{64}$/);
  assertEquals(
    await crictl.ask("ps", "-q", "--name", "talker", "--label", `app=${name}`, "--image", bench.busybox),
    container,
  );
  assertMatch(
    await crictl.ask("ps"),
    new RegExp(`${container.slice(0, 13)} .*Running +talker +2 +${pod.slice(0, 13)} +${name}`),
  );

  const { status } = JSON.parse(await crictl.ask("inspect", container));
  assertEquals([status.id, status.state, status.exitCode], [container, "CONTAINER_RUNNING", 0]);
  assertEquals(status.image.image, bench.busybox);
  assertEquals(status.logPath, `${podConfig.log_directory}/talker/2.log`);
  assertEquals(status.annotations, { deploy: "7" });
  assertEquals(status.resources.linux.memoryLimitInBytes, String(64 << 20));
  assert(
    Date.parse(status.startedAt) >= Date.parse(status.createdAt),
    `${status.startedAt} before ${status.createdAt}`,
  );

  await waitUntil(
    "both lines are in the log",
    async () => (await crictl.try("logs", container)).stdout.includes("out"),
  );
  const logs = await crictl.try("logs", container);
  assertMatch(logs.stdout, /^out hello$/m);
  assertMatch(logs.stderr, /^err$/m);
  assertMatch(
    await crictl.ask("logs", "--timestamps", "--stream", "stdout", container),
    /^\d{4}-\d\d-\d\dT\S+ out hello$/,
  );

  assertEquals(await crictl.ask("exec", "-s", container, "hostname"), name);
  assertEquals(await crictl.ask("exec", "-s", container, "sh", "-c", "echo $GREETING"), "hello");
  const failing = await crictl.try("exec", "-s", container, "sh", "-c", "echo no >&2; exit 3");
  assertNotEquals(failing.code, 0);
  assertStringIncludes(failing.stderr, "no");
  assertMatch(failing.stderr, /exit(ed)?( with)?( code)? 3/i);

  const stats = (await crictl.json("stats", "--id", container)).stats;
  assertEquals(stats.length, 1);
  assertEquals(stats[0].attributes.id, container);
  assert(Number(stats[0].memory.workingSetBytes.value) > 0, "memory of a running container");
  assert(Number(stats[0].cpu.usageCoreNanoSeconds.value) > 0, "CPU time of a running container");
  assertMatch(await crictl.ask("stats"), new RegExp(`${container.slice(0, 13)} +talker +\\d`));

  assertEquals(await crictl.ask("stop", "--timeout", "1", container), container);
  const stopped = JSON.parse(await crictl.ask("inspect", container)).status;
  assertEquals([stopped.state, stopped.exitCode, stopped.reason], ["CONTAINER_EXITED", 137, "Error"]);
  assert(
    Date.parse(stopped.finishedAt) >= Date.parse(stopped.startedAt),
    `${stopped.finishedAt} before ${stopped.startedAt}`,
  );
  assertEquals(await crictl.ask("ps", "-q", "--pod", pod), "");
  assertEquals(await crictl.ask("ps", "-q", "-a", "--state", "exited", "--pod", pod), container);

  assertStringIncludes(await crictl.ask("rm", container), container);
  assertEquals(await crictl.ask("ps", "-aq", "--pod", pod), "");
  assertEquals(await crictl.ask("stopp", pod), `Stopped sandbox ${pod}`);
  assertEquals((await crictl.json("pods", "--id", pod)).items[0].state, "SANDBOX_NOTREADY");
  assertEquals(await crictl.ask("rmp", pod), `Removed sandbox ${pod}`);
  assertEquals(await crictl.ask("pods", "-q"), "");
}
