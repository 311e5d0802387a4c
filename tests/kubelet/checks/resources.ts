/** Limits of processor, memory, processes and disk, read where the kernel keeps them and felt where they end. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type Check, container, pod, script } from "../check.ts";
import { containerCgroup, hasShares, limitsOf, podCgroup } from "../limits.ts";
import { eventOf, outputOf } from "../output.ts";

const MiB = 1 << 20;
const resources = { requests: { cpu: "100m", memory: "32Mi" }, limits: { cpu: "500m", memory: "64Mi" } };

export const checks: Check[] = [
  {
    name: "limits of processor and memory are in the cgroups of container and pod",
    item: "cpu and memory limits",
    async run({ cluster, apply, ready }) {
      const image = cluster.image("busybox");
      await apply(pod("limited", {
        containers: [container("main", image, { resources }), container("other", image, { resources })],
      }));
      const limited = await ready("limited");
      const own = await limitsOf(cluster, limited, "main");
      assertEquals([own.memory, own.cpu], [64 * MiB, 500]);
      assert(hasShares(cluster, own, 102), `shares or weight: ${own.cpuShares}`);
      const together = await limitsOf(cluster, limited);
      assertEquals([together.memory, together.cpu], [128 * MiB, 1000]);
    },
  },
  {
    name: "a container without limits has none, and the least share",
    item: "cpu and memory limits",
    async run({ cluster, apply, ready }) {
      await apply(pod("free", { containers: [container("main", cluster.image("busybox"))] }));
      const { cpuShares, ...limits } = await limitsOf(cluster, await ready("free"), "main");
      assertEquals([limits.memory, limits.cpu], [undefined, undefined]);
      assert(hasShares(cluster, { cpuShares }, 2), `shares or weight: ${cpuShares}`);
    },
  },
  {
    name: "each class of service has its own parent cgroup, and the container is below its pod's",
    item: "QoS classes",
    async run({ cluster, apply, ready }) {
      const image = cluster.image("busybox");
      const { limits } = resources;
      const classes = { Guaranteed: { limits, requests: limits }, Burstable: resources, BestEffort: {} };
      for (const [name, resources] of Object.entries(classes)) {
        await apply(pod(name.toLowerCase(), { containers: [container("main", image, { resources })] }));
      }
      for (const name of Object.keys(classes)) {
        const there = await ready(name.toLowerCase());
        assertEquals(there.status.qosClass, name);
        const path = await podCgroup(cluster, there);
        const parents = path.slice(cluster.podsCgroup.length);
        if (name === "Guaranteed") assert(!/burstable|besteffort/.test(parents), path);
        else assertStringIncludes(parents, name.toLowerCase());
        for (const controller of ["memory", "cpu", "pids"] as const) {
          const own = await containerCgroup(cluster, there, "main", controller);
          assert(own.startsWith(`${path}/`), `${own} is not below ${path}`);
        }
      }
    },
  },
  {
    name: "a container that takes too much memory is OOMKilled",
    item: "OOM",
    async run({ cluster, apply, podIs }) {
      const main = script("main", cluster.image("busybox"), "exec dd if=/dev/zero of=/dev/null bs=200M count=1", {
        resources: { limits: { memory: "32Mi" } },
      });
      await apply(pod("greedy", { containers: [main] }));
      const [{ state: { terminated } }] = (await podIs("greedy", "Failed")).status.containerStatuses;
      assertEquals([terminated.reason, terminated.exitCode], ["OOMKilled", 137]);
    },
  },
  {
    name: "a quota of processor time is felt",
    item: "cpu and memory limits",
    async run({ cluster, apply, ready, until }) {
      const main = script("main", cluster.image("busybox"), "while :; do :; done", {
        resources: { limits: { cpu: "100m" } },
      });
      await apply(pod("busy", { containers: [main] }));
      const path = await containerCgroup(cluster, await ready("busy"), "main", "cpu");
      const file = `/sys/fs/cgroup${cluster.cgroup === 1 ? "/cpu" : ""}${path}/cpu.stat`;
      await until(
        "the container was held up",
        async () => Number(/^nr_throttled (\d+)$/m.exec(await cluster.run("cat", file))?.[1]) > 0,
      );
    },
  },
  {
    name: "oom_score_adj follows the class of service",
    item: "oom_score_adj",
    async run(context) {
      const text = "cat /proc/self/oom_score_adj";
      assertEquals(await outputOf(context, text, { name: "besteffort" }), "1000");
      const requests = { memory: "64Mi" };
      const burstable = Number(
        await outputOf(context, text, { name: "burstable", container: { resources: { requests } } }),
      );
      assert(burstable >= 2 && burstable <= 999, `Burstable: ${burstable}`);
    },
  },
  {
    name: "a pod has no more processes than the node allows",
    item: "pids limit",
    async run(context) {
      const { cluster, apply, ready, kubectl } = context;
      const { kubeletconfig } = JSON.parse(
        await kubectl("get", "--raw", `/api/v1/nodes/${cluster.nodeName}/proxy/configz`),
      );
      const text = "(while :; do sleep 5 & done) 2>/tmp/error; cat /tmp/error; exec sleep 3600";
      await apply(pod("many", { containers: [script("main", cluster.image("busybox"), text)] }));
      assertEquals((await limitsOf(cluster, await ready("many"))).pids, kubeletconfig.podPidsLimit);
      await context.until("a fork is refused", async () => /can't fork/.test(await context.logs("many")), 30);
    },
  },
  {
    name: "a node without huge pages runs pods as any other",
    item: "hugepages",
    async run(context) {
      const { cluster, get } = context;
      const { capacity } = (await get("node", cluster.nodeName)).status;
      // The kubelet sends a limit for each size of page that the kernel knows, whether there are any or not.
      assertEquals(capacity["hugepages-2Mi"] ?? "0", "0");
      const output = await outputOf(context, "echo runs; ls -d /sys/kernel/mm/hugepages/*", {
        container: { resources },
      });
      assertMatch(output, /^runs\n[^]*hugepages-2048kB/);
    },
  },
  {
    name: "a pod that writes more than its ephemeral-storage limit is evicted",
    item: "eviction",
    full: true,
    async run(context) {
      const { cluster, apply, podIs } = context;
      const main = script(
        "main",
        cluster.image("busybox"),
        "dd if=/dev/zero of=/file bs=1M count=30; exec sleep 3600",
        {
          resources: { limits: { "ephemeral-storage": "5Mi" } },
        },
      );
      await apply(pod("writes", { containers: [main] }));
      const { status } = await podIs("writes", "Failed", 100);
      assertEquals(status.reason, "Evicted");
      assertMatch(status.message, /ephemeral/);
      await eventOf(context, "writes", /^Evicted: /);
    },
  },
  {
    name: "a pod that fills an emptyDir over its size is evicted",
    item: "eviction",
    full: true,
    async run({ cluster, apply, podIs }) {
      const main = script(
        "main",
        cluster.image("busybox"),
        "dd if=/dev/zero of=/v/file bs=1M count=30; exec sleep 3600",
        {
          volumeMounts: [{ name: "v", mountPath: "/v" }],
        },
      );
      await apply(pod("fills", { volumes: [{ name: "v", emptyDir: { sizeLimit: "5Mi" } }], containers: [main] }));
      const { status } = await podIs("fills", "Failed", 100);
      assertEquals(status.reason, "Evicted");
      assertMatch(status.message, /EmptyDir volume "v" exceeds the limit/);
    },
  },
];
