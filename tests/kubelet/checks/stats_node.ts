import { assert, assertEquals } from "@std/assert";
import { type Check, type CheckContext, type Cluster, container, pod, script } from "../check.ts";
import { kubeletPage } from "../node_facts.ts";
import { type FileSystem, metric, podSummary, type Summary, summary } from "../stats_summary.ts";

/** As df has them, in bytes. */
async function fileSystem(
  cluster: Cluster,
  path: string,
): Promise<{ size: number; available: number; inodes: number }> {
  const text = await cluster.run("df", "-B1", "--output=size,avail,itotal", path);
  const [size, available, inodes] = text.trim().split("\n")[1].trim().split(/\s+/).map(Number);
  return { size, available, inodes };
}

async function agrees({ cluster }: CheckContext, what: string, told: FileSystem, path: string): Promise<void> {
  const df = await fileSystem(cluster, path);
  assertEquals([told.capacityBytes, told.inodes], [df.size, df.inodes], what);
  // Others write meanwhile, and the kubelet's figures are some seconds old.
  assert(
    Math.abs(told.availableBytes! - df.available) < 600_000_000,
    `${what}: ${told.availableBytes} where df says ${df.available}`,
  );
  assert(told.usedBytes! > 0 && told.usedBytes! < df.size, `${what}: ${told.usedBytes} used`);
}

export const checks: Check[] = [
  {
    name: "stats: the node's file systems and the runtime's are as df has them",
    item: "eviction figures: nodefs and imagefs",
    async run(context) {
      const { cluster, apply, podIs, until } = context;
      // Something must be there to be counted; the runtime and the kubelet look at it every ten seconds.
      await apply(pod("there", { containers: [script("main", cluster.image("busybox"), "true")] }));
      await podIs("there", "Succeeded");
      const { node } = await until("the image is counted", async () => {
        const now = await summary(context);
        return now.node.runtime.imageFs.usedBytes! > 500_000 && now;
      }, 60) as Summary;
      await agrees(context, "nodefs", node.fs, cluster.kubeletRoot);
      await agrees(context, "imagefs", node.runtime.imageFs, cluster.runtimeRoot);
      await agrees(context, "containerfs", node.runtime.containerFs ?? node.runtime.imageFs, cluster.runtimeRoot);
    },
  },
  {
    name: "stats: the node's memory, processor and processes are the machine's",
    item: "stats/summary node",
    async run(context) {
      const { node } = await summary(context);
      const total = Number(/MemTotal:\s+(\d+) kB/.exec(await context.cluster.run("cat", "/proc/meminfo"))![1]) * 1024;
      const { workingSetBytes, availableBytes } = node.memory!;
      assert(workingSetBytes! > 100_000_000 && workingSetBytes! < total, `${workingSetBytes} of ${total}`);
      assert(Math.abs(workingSetBytes! + availableBytes! - total) < total / 10, `${availableBytes} available`);
      assert(node.cpu!.usageNanoCores! > 0 && node.cpu!.usageCoreNanoSeconds! > 1e9);
      assert(node.rlimit.curproc > 20 && node.rlimit.maxpid > node.rlimit.curproc, JSON.stringify(node.rlimit));
    },
  },
  {
    name: "stats: metrics/resource has the pod's figures, and they are those of the summary",
    item: "metrics/resource",
    async run(context) {
      const { cluster, namespace, apply, ready, until } = context;
      await apply(
        pod("there", {
          containers: [
            script(
              "main",
              cluster.image("busybox"),
              "i=0; while [ $i -lt 300000 ]; do i=$((i + 1)); done; trap 'exit 0' TERM; sleep 3600 & wait $!",
            ),
          ],
        }),
      );
      const { status } = await ready("there");
      const labels = { namespace, pod: "there" };
      const page = await until("the pod's rows are there", async () => {
        const text = await kubeletPage(context, "metrics/resource");
        return metric(text, "container_cpu_usage_seconds_total", labels)! > 0.05 &&
          metric(text, "pod_memory_working_set_bytes", labels)! > 50_000 && text;
      }, 60);
      const of = (name: string) => metric(page as string, name, labels)!;
      assertEquals(
        metric(page as string, "container_cpu_usage_seconds_total", { ...labels, container: "main" }),
        of("container_cpu_usage_seconds_total"),
      );
      const started = Date.parse(status.containerStatuses[0].state.running.startedAt) / 1000;
      assert(
        Math.abs(of("container_start_time_seconds") - started) < 10,
        `${of("container_start_time_seconds")} instead of ${started}`,
      );
      const told = (await podSummary(context, "there"))!;
      assert(of("pod_cpu_usage_seconds_total") <= told.cpu!.usageCoreNanoSeconds! / 1e9 + 1);
      assert(of("pod_memory_working_set_bytes") < 100_000_000);
      assertEquals(metric(page as string, "scrape_error", {}) ?? 0, 0);
    },
  },
  {
    name: "stats: metrics/cadvisor has the pod's rows, with the names of container, pod and namespace",
    item: "metrics/cadvisor",
    unavailable: ({ statsFromCRI }) =>
      statsFromCRI ? undefined : "cadvisor knows no runtime on this socket: seen with --stats-from-cri",
    async run(context) {
      const { cluster, namespace, apply, ready, until } = context;
      await apply(
        pod("there", {
          containers: [
            container("main", cluster.image("busybox"), { resources: { limits: { memory: "64Mi", cpu: "200m" } } }),
          ],
        }),
      );
      await ready("there");
      const names = [
        "container_cpu_usage_seconds_total",
        "container_memory_working_set_bytes",
        "container_memory_rss",
        "container_spec_memory_limit_bytes",
        "container_processes",
        "container_last_seen",
        "container_start_time_seconds",
      ];
      const labels = { container: "main", namespace, pod: "there" };
      const page = await until("the pod's rows are there", async () => {
        const text = await kubeletPage(context, "metrics/cadvisor");
        return metric(text, names[0], labels) !== undefined && text;
      }, 60) as string;
      assertEquals(names.filter((name) => metric(page, name, labels) === undefined), []);
      assertEquals(metric(page, "container_spec_memory_limit_bytes", labels), 64 << 20);
      assert(metric(page, "container_memory_working_set_bytes", labels)! < 64 << 20);
      assert(
        metric(page, "container_network_receive_bytes_total", { namespace, pod: "there", interface: "eth0" }) !==
          undefined,
        "no row of eth0",
      );
    },
  },
];
