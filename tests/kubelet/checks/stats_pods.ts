import { assert, assertEquals } from "@std/assert";
import { type Check, type Cluster, container, pod, script } from "../check.ts";
import { web, webReady } from "../pod_network.ts";
import { podSummary, summary } from "../stats_summary.ts";

const megabyte = 1 << 20;
/** cadvisor knows no pod's network but of a containerd or CRI-O on its usual socket; the runtime's own figures do. */
const withNetwork = ({ statsFromCRI }: Cluster) =>
  statsFromCRI ? undefined : "cadvisor knows no runtime on this socket: seen with --stats-from-cri";

export const checks: Check[] = [
  {
    name: "stats: a busy pod's processor time and its rate are seen, and an idle one's are none",
    item: "stats/summary cpu",
    async run(context) {
      const { cluster, apply, ready, until } = context;
      const image = cluster.image("busybox");
      const limits = { resources: { limits: { cpu: "400m" } } };
      await apply(
        pod("busy", { containers: [script("main", image, "while :; do :; done", limits)] }),
        pod("idle", { containers: [container("main", image)] }),
      );
      await Promise.all([ready("busy"), ready("idle")]);
      const busy = await until("the load is seen", async () => {
        const pod = await podSummary(context, "busy");
        return (pod?.containers?.[0]?.cpu?.usageNanoCores ?? 0) > 100_000_000 &&
          (pod?.cpu?.usageNanoCores ?? 0) > 100_000_000 && pod;
      }, 60);
      const [main] = busy.containers!;
      assert(
        main.cpu!.usageNanoCores! < 600_000_000,
        `${main.cpu!.usageNanoCores} nanocores, where 0.4 cores are allowed`,
      );
      assert(busy.cpu!.usageNanoCores! < 700_000_000, `${busy.cpu!.usageNanoCores} nanocores in the pod`);
      await until("the time goes on", async () => {
        const later = (await podSummary(context, "busy"))!.containers![0].cpu!;
        return later.usageCoreNanoSeconds! > main.cpu!.usageCoreNanoSeconds! + 100_000_000;
      }, 40);
      const idle = await until("the idle pod is told, too", async () => {
        const pod = await podSummary(context, "idle");
        return pod?.containers?.[0]?.cpu?.usageNanoCores !== undefined && pod;
      }, 40);
      assert(
        idle.containers![0].cpu!.usageNanoCores! < 50_000_000,
        `${idle.containers![0].cpu!.usageNanoCores} nanocores`,
      );
    },
  },
  {
    name: "stats: memory that a container takes is seen, in it and in its pod",
    item: "stats/summary memory",
    async run(context) {
      const { cluster, apply, ready, exec, until } = context;
      await apply(pod("takes", {
        containers: [container("main", cluster.image("busybox"), {
          resources: { limits: { memory: "200Mi" } },
          volumeMounts: [{ name: "memory", mountPath: "/memory" }],
        })],
        volumes: [{ name: "memory", emptyDir: { medium: "Memory" } }],
      }));
      await ready("takes");
      const before = await until("the pod is told", async () => {
        const pod = await podSummary(context, "takes");
        return pod?.containers?.[0]?.memory?.workingSetBytes !== undefined && pod;
      }, 60);
      assert(before.containers![0].memory!.workingSetBytes! < 20 * megabyte, "an idle shell");
      await exec("takes", "sh", "-c", "head -c 80000000 /dev/zero >/memory/file");
      const after = await until("80 MB are seen", async () => {
        const pod = await podSummary(context, "takes");
        return pod?.containers?.[0]?.memory?.workingSetBytes! > 70 * megabyte &&
          pod?.memory?.workingSetBytes! > 70 * megabyte && pod;
      }, 60);
      const { memory } = after!.containers![0];
      assert(memory!.usageBytes! >= memory!.workingSetBytes! && memory!.usageBytes! < 200 * megabyte);
      assert(after!.memory!.workingSetBytes! < 200 * megabyte);
      // Of the limit, what is not in use.
      assert(
        Math.abs(memory!.availableBytes! + memory!.workingSetBytes! - 200 * megabyte) < megabyte,
        JSON.stringify(memory),
      );
    },
  },
  {
    name: "stats: what a container writes is seen, by its layer, its log and its volumes",
    item: "stats/summary fs",
    timeout: 240,
    async run(context) {
      const { cluster, apply, ready, until } = context;
      const text = `head -c 30000000 /dev/urandom >/tmp/layer; head -c 20000000 /dev/urandom >/data/volume; sync
yes 0123456789 | head -c 40000; trap 'exit 0' TERM; sleep 3600 & wait $!`;
      await apply(pod("writes", {
        containers: [
          script("main", cluster.image("busybox"), text, { volumeMounts: [{ name: "data", mountPath: "/data" }] }),
        ],
        volumes: [{ name: "data", emptyDir: {} }],
      }));
      await ready("writes");
      const written = await until("all of it is seen", async () => {
        const pod = await podSummary(context, "writes");
        const [main] = pod?.containers ?? [];
        const volume = pod?.volume?.find(({ name }) => name === "data");
        return main?.rootfs?.usedBytes! >= 30_000_000 && main.logs?.usedBytes! >= 40_000 &&
          volume?.usedBytes! >= 20_000_000 &&
          pod;
      }, 150);
      const [{ rootfs, logs }] = written!.containers!;
      assert(
        rootfs!.usedBytes! < 40_000_000 && rootfs!.inodesUsed! >= 1 && rootfs!.inodesUsed! < 100,
        JSON.stringify(rootfs),
      );
      assert(rootfs!.capacityBytes! > rootfs!.availableBytes!, JSON.stringify(rootfs));
      assert(logs!.usedBytes! < 10_000_000, JSON.stringify(logs));
      const whole = written!["ephemeral-storage"]!.usedBytes!;
      assert(whole >= 50_000_000 && whole < 80_000_000, `${whole} bytes of ephemeral storage`);
    },
  },
  {
    name: "stats: bytes that a pod receives are seen on its interface",
    item: "stats/summary network",
    unavailable: withNetwork,
    async run(context) {
      const { cluster, apply, ready, exec, until } = context;
      const image = cluster.image("busybox");
      await apply(
        pod("server", { containers: [container("main", image, { command: web(8080), ...webReady(8080) })] }),
        pod("client", { containers: [container("main", image)] }),
      );
      const [server] = await Promise.all([ready("server"), ready("client")]);
      await exec("server", "sh", "-c", "head -c 10000000 /dev/zero >/tmp/www/big");
      const size = await exec("client", "sh", "-c", `wget -qO- http://${server.status.podIP}:8080/big | wc -c`);
      assertEquals(size.trim(), "10000000");
      const [received, sent] = await until("ten megabytes are seen on both sides", async () => {
        const [client, server] = await Promise.all([podSummary(context, "client"), podSummary(context, "server")]);
        return client?.network?.rxBytes! > 10_000_000 && server?.network?.txBytes! > 10_000_000 && [client!, server!];
      }, 60) as [
        NonNullable<Awaited<ReturnType<typeof podSummary>>>,
        NonNullable<Awaited<ReturnType<typeof podSummary>>>,
      ];
      assert(received.network!.rxBytes! < 20_000_000 && sent.network!.txBytes! < 20_000_000);
      assertEquals(received.network!.name, "eth0");
    },
  },
  {
    name: "stats: a pod's processes are counted, and its times are its own",
    item: "stats/summary process counts",
    unavailable: ({ statsFromCRI }) =>
      statsFromCRI ? undefined : "the kubelet's cadvisor counts no processes here, with any runtime",
    async run(context) {
      const { cluster, apply, ready, until } = context;
      const text = "for i in 1 2 3 4 5 6 7 8 9; do sleep 3600 & done; trap 'exit 0' TERM; wait";
      await apply(pod("many", { containers: [script("main", cluster.image("busybox"), text)] }));
      const { status } = await ready("many");
      const counted = await until("they are counted", async () => {
        const pod = await podSummary(context, "many");
        return pod?.process_stats?.process_count! >= 10 && pod;
      }, 60);
      assert(counted!.process_stats!.process_count! < 20, JSON.stringify(counted!.process_stats));
      const started = Date.parse(status.containerStatuses[0].state.running.startedAt);
      const told = Date.parse(counted!.containers![0].startTime);
      assert(Math.abs(told - started) < 10_000, `started ${started}, told ${told}`);
      assert(Date.now() - Date.parse(counted!.containers![0].cpu!.time) < 60_000, "old figures");
    },
  },
  {
    name: "stats: pressure of a container that must wait for its processor",
    item: "stats/summary PSI",
    unavailable: ({ cgroup }) => cgroup === 2 ? undefined : "cgroup v1 has no pressure files; seen in the guest",
    async run(context) {
      const { cluster, apply, ready, until } = context;
      const text = "while :; do :; done & while :; do :; done";
      await apply(pod("waits", {
        containers: [script("main", cluster.image("busybox"), text, { resources: { limits: { cpu: "100m" } } })],
      }));
      await ready("waits");
      await until("pressure is seen in the container and its pod", async () => {
        const pod = await podSummary(context, "waits");
        const figures = [pod?.cpu?.psi, pod?.containers?.[0]?.cpu?.psi];
        return figures.every((psi) => psi !== undefined && psi.some.total > 0);
      }, 60);
      const { node } = await summary(context);
      assert(node.cpu?.psi !== undefined && node.memory?.psi !== undefined && node.io?.psi !== undefined);
    },
  },
];
