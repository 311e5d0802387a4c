/** The daemon dies, its containers don't; what happened meanwhile is known afterwards. */
import { assert, assertEquals } from "@std/assert";
import { ContainerState, PodSandboxState } from "../../proto/gen/runtime/v1/api.ts";
import { processesIn } from "../support/cgroups.ts";
import { sleep } from "../support/command.ts";
import { readLog } from "../support/pods.ts";
import { suite } from "../support/suite.ts";
import { memoryBomb, podMemoryBomb, survives, ticking } from "./survival.ts";

const { test } = suite();

for (const how of ["kill9", "killCgroup"] as const) {
  const what = how === "kill9" ? "the daemon" : "everything in the daemon's cgroup";
  test(
    `SIGKILL to ${what} with five running containers: all go on, and the exit code of one that ended is true`,
    (bench) => survives(bench, how),
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

test(
  "A memory bomb ends its own container with OOMKilled and nothing else (CVE-2019-14891)",
  (bench) => memoryBomb(bench),
);

test(
  "A memory bomb against the pod's limit doesn't take the monitor, which is outside the pod (CVE-2019-14891)",
  (bench) => podMemoryBomb(bench),
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
