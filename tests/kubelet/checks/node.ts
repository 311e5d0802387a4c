import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type Check, container, pod } from "../check.ts";
import { kubeletConfig, kubeletPage, runtimeSays } from "../node_facts.ts";

interface Handler {
  name: string;
  features: Record<string, boolean>;
}

export const checks: Check[] = [
  {
    name: "the node's runtime is what the runtime says that it is, version and all",
    item: "container runtime version in node status",
    async run(context) {
      const { status } = await context.get("node", context.cluster.nodeName);
      const says = await runtimeSays(context, "version");
      assertEquals(status.nodeInfo.containerRuntimeVersion, `${says.RuntimeName}://${says.RuntimeVersion}`);
      assertEquals(says.RuntimeApiVersion, "v1");
      assertMatch(says.RuntimeVersion, /^v?\d+\.\d+\.\d+/);
    },
  },
  {
    name: "the kubelet takes the cgroup driver from the runtime, against its own configuration",
    item: "cgroup driver from RuntimeConfig",
    async run(context) {
      const { cluster, apply, ready, exec } = context;
      const file = JSON.parse(await cluster.run("cat", `${cluster.dir}/kubelet.json`));
      assert(file.cgroupDriver !== cluster.cgroupDriver, "the configuration names the runtime's driver already");
      assertEquals((await kubeletConfig(context)).cgroupDriver, cluster.cgroupDriver);
      await apply(pod("grouped", { hostPID: true, containers: [container("main", cluster.image("busybox"))] }));
      const { metadata } = await ready("grouped");
      const uid = cluster.cgroupDriver === "systemd" ? metadata.uid.replaceAll("-", "_") : metadata.uid;
      assertMatch(await exec("grouped", "cat", "/proc/self/cgroup"), new RegExp(`pod${uid}|:/$`, "m"));
      const folders = await cluster.run(
        "sh",
        "-c",
        `find /sys/fs/cgroup -maxdepth 6 -type d -name "*pod${uid}*" | head -n 1`,
      );
      assertStringIncludes(folders, cluster.podsCgroup);
      assertEquals(folders.includes(".slice"), cluster.cgroupDriver === "systemd", folders);
    },
  },
  {
    name: "runtime handlers and features in node status are those that the runtime tells",
    item: "runtime handlers and features in node status",
    async run(context) {
      const { status } = await context.get("node", context.cluster.nodeName);
      const info = await runtimeSays(context, "info");
      const byName = (handlers: Handler[]) =>
        Object.fromEntries(handlers.map(({ name, features }) => [name ?? "", [
          features?.recursiveReadOnlyMounts ?? features?.["recursive_read_only_mounts"] ?? false,
          features?.userNamespaces ?? features?.["user_namespaces"] ?? false,
        ]]));
      const told = byName(info.runtimeHandlers);
      assert(Object.keys(told).length > 0, JSON.stringify(info));
      assertEquals(byName(status.runtimeHandlers), told);
      assertEquals(status.features.supplementalGroupsPolicy, true);
      const { ociRuntime, runtime } = context.cluster;
      if (runtime === "skiff") {
        assertEquals(Object.keys(told).sort(), ["", "crun", "runc"]);
        assertEquals(told[""], told[ociRuntime]);
        assertEquals(told[ociRuntime], [true, true]);
      }
    },
  },
  {
    name: "the kubelet lists pods and containers by streams",
    item: "CRIListStreaming",
    async run(context) {
      assertEquals((await kubeletConfig(context)).featureGates.CRIListStreaming, true);
      // It falls back for ever, and says so, when a stream is not implemented.
      const log = await context.cluster.log("kubelet");
      assertEquals(log.split("\n").filter((line) => line.includes("not implemented, falling back")), []);
      const failed = (await kubeletPage(context, "metrics")).split("\n").filter((line) =>
        /^kubelet_runtime_operations_errors_total\{operation_type="(list|stream)_/.test(line) && !line.endsWith(" 0")
      );
      assertEquals(failed, []);
    },
    unavailable: ({ runtime }) => runtime === "skiff" ? undefined : "the peer has no streams",
  },
  {
    name: "what can be used of the node is what the machine has",
    item: "node allocatable",
    async run(context) {
      const { cluster, get } = context;
      const { capacity, allocatable } = (await get("node", cluster.nodeName)).status;
      const { maxPods } = await kubeletConfig(context);
      const processors = Number(await cluster.run("nproc", "--all"));
      const memory = Number(/MemTotal:\s+(\d+) kB/.exec(await cluster.run("cat", "/proc/meminfo"))![1]);
      assertEquals([capacity.cpu, capacity.pods, allocatable.pods], [
        String(processors),
        String(maxPods),
        String(maxPods),
      ]);
      assertEquals(capacity.memory, `${memory}Ki`);
      assert(parseInt(allocatable.memory) < memory && parseInt(allocatable.memory) > memory / 2, allocatable.memory);
      const disk = (await cluster.run("df", "-k", "--output=size", cluster.kubeletRoot)).trim().split("\n")[1].trim();
      const storage: string = capacity["ephemeral-storage"];
      assertEquals(parseInt(storage) * (storage.endsWith("Ki") ? 1024 : 1), Number(disk) * 1024);
      assert(Number(allocatable["ephemeral-storage"]) > 0);
    },
  },
  {
    name: "the node is under no pressure and says that it is well",
    item: "node conditions",
    async run({ cluster, get }) {
      const { conditions } = (await get("node", cluster.nodeName)).status;
      const states = Object.fromEntries(
        conditions.map(({ type, status }: { type: string; status: string }) => [type, status]),
      );
      assertEquals(
        [states.MemoryPressure, states.DiskPressure, states.PIDPressure, states.Ready],
        ["False", "False", "False", "True"],
      );
      const ready = conditions.find(({ type }: { type: string }) => type === "Ready");
      assertEquals(ready.reason, "KubeletReady");
      assert(Date.now() - Date.parse(ready.lastHeartbeatTime) < 360_000, ready.lastHeartbeatTime);
    },
  },
];
