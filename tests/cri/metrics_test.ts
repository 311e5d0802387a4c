import { assert, assertEquals } from "@std/assert";
import { type Metric, MetricType } from "../../proto/gen/runtime/v1/api.ts";
import { figures } from "../support/cgroup_files.ts";
import { sleep } from "../support/command.ts";
import type { Container, Workbench } from "../support/pods.ts";
import { suite } from "../support/suite.ts";

const { test } = suite();
const skiffOnly = { skiffOnly: "it has other labels" };

async function describedLabels(bench: Workbench): Promise<Map<string, string[]>> {
  const { descriptors } = await bench.client.listMetricDescriptors();
  for (const { name, help } of descriptors) assert(name !== "" && help !== "");
  const labels = new Map(descriptors.map(({ name, labelKeys }) => [name, labelKeys]));
  assertEquals(labels.size, descriptors.length, "a name is described twice");
  return labels;
}

async function metricsOf(
  bench: Workbench,
  { id, sandbox }: Container,
): Promise<{ pod: Metric[]; container: Metric[] }> {
  const { podMetrics } = await bench.client.listPodSandboxMetrics();
  const pod = podMetrics.find(({ podSandboxId }) => podSandboxId === sandbox.id);
  const container = pod?.containerMetrics.find(({ containerId }) => containerId === id);
  return { pod: pod?.metrics ?? [], container: container?.metrics ?? [] };
}

test(
  "ListPodSandboxMetrics() sends nothing that ListMetricDescriptors() does not describe, and no series twice",
  async (bench) => {
    const first = await bench.run();
    const second = await bench.run({ metadata: { name: "second" }, logPath: "second/0.log" }, first.sandbox);
    await bench.run();
    const labels = await describedLabels(bench);
    const { podMetrics } = await bench.client.listPodSandboxMetrics();
    assertEquals(podMetrics.length, 2);
    const all = podMetrics.flatMap((pod) => [...pod.metrics, ...pod.containerMetrics.flatMap((one) => one.metrics)]);
    for (const { name, labelValues, value, timestamp } of all) {
      assertEquals(labelValues.length, labels.get(name)?.length, `labels of ${name}`);
      assert(value !== undefined && timestamp > 0n, name);
    }
    const series = all.map(({ name, labelValues }) => JSON.stringify([name, ...labelValues]));
    // A kubelet that meets one twice gives no metrics at all.
    assertEquals(series.length, new Set(series).size);
    assertEquals(
      podMetrics.find(({ podSandboxId }) => podSandboxId === first.sandbox.id)?.containerMetrics.map((one) =>
        one.containerId
      ).toSorted(),
      [first.id, second.id].toSorted(),
    );
  },
  skiffOnly,
);

test(
  "ListPodSandboxMetrics() names the container as cadvisor does and says what its cgroup files say",
  async (bench) => {
    const cgroupParent = `${bench.node.pods}/metrics`;
    const sandbox = await bench.sandbox({ linux: { cgroupParent } });
    const container = await bench.run({
      command: ["/bin/sh", "-c", "held=$(head -c 8000000 /dev/zero | tr '\\0' x); sleep 3600; echo $held | wc -c"],
      linux: { resources: { cpuShares: 512n, cpuQuota: 50_000n, cpuPeriod: 100_000n, memoryLimitInBytes: 64n << 20n } },
    }, sandbox);
    await bench.sh(container, `ping -c 3 -i 0.1 ${bench.node.subnet}.1 >/dev/null`);
    await sleep(1_500);
    const labels = await describedLabels(bench);
    const look = () => ({ container: figures(`${cgroupParent}/${container.id}`), pod: figures(cgroupParent) });
    const before = look();
    const metrics = await metricsOf(bench, container);
    const after = look();
    const kernel = after.container;
    const value = (list: Metric[], name: string, wanted: Record<string, string> = {}): number => {
      const keys = labels.get(`container_${name}`)!;
      const found = list.filter((one) =>
        one.name === `container_${name}` &&
        Object.entries(wanted).every(([key, label]) => one.labelValues[keys.indexOf(key)] === label)
      );
      assertEquals(found.length, 1, name);
      return Number(found[0].value!.value);
    };
    const near = (
      name: string,
      found: number,
      whose: "container" | "pod",
      figure: keyof ReturnType<typeof figures>,
    ) => {
      const [low, high] = [before[whose][figure], after[whose][figure]].toSorted((a, b) => a - b);
      assert(found >= low * 0.99 && found <= high * 1.01, `${name} is ${found}, but the kernel says ${low} to ${high}`);
    };

    const whose = {
      container: "main",
      id: `${cgroupParent}/${container.id}`,
      image: bench.busybox,
      name: container.id,
      namespace: "default",
      pod: sandbox.config.metadata!.name,
    };
    near("rss", value(metrics.container, "memory_rss", whose), "container", "rss");
    near("usage", value(metrics.container, "memory_usage_bytes", whose), "container", "usage");
    near("working set", value(metrics.container, "memory_working_set_bytes", whose), "container", "workingSet");
    near(
      "page faults",
      value(metrics.container, "memory_failures_total", { failure_type: "pgfault", scope: "hierarchy" }),
      "container",
      "pageFaults",
    );
    assertEquals(
      value(metrics.container, "cpu_usage_seconds_total", { cpu: "total" }),
      Math.floor(kernel.cpuNanoseconds / 1e9),
    );
    assertEquals(value(metrics.container, "processes"), kernel.processes);
    assertEquals(value(metrics.container, "threads"), kernel.threads);
    assertEquals(value(metrics.container, "spec_cpu_shares"), 512);
    assertEquals(value(metrics.container, "spec_cpu_quota"), 50_000);
    assertEquals(value(metrics.container, "spec_memory_limit_bytes"), 64 << 20);
    assert(value(metrics.container, "file_descriptors") >= 3);
    assert(value(metrics.container, "fs_limit_bytes") > 1 << 20);
    assert(Math.abs(value(metrics.container, "start_time_seconds") - Date.now() / 1000) < 60);

    // Of the pod there is no container name and no image, which is how dashboards tell the two apart.
    const podItself = { container: "", image: "", id: cgroupParent, pod: whose.pod, namespace: "default" };
    near("rss of the pod", value(metrics.pod, "memory_rss", podItself), "pod", "rss");
    assert(value(metrics.pod, "network_receive_bytes_total", { interface: "eth0" }) > 0);
    const types = (name: string) => metrics.pod.find((one) => one.name === `container_${name}`)!.metricType;
    assertEquals([types("memory_rss"), types("network_receive_bytes_total")], [MetricType.GAUGE, MetricType.COUNTER]);
  },
  skiffOnly,
);

test(
  "ListPodSandboxMetrics() tells of a container as soon as it runs, and no more once it has ended",
  async (bench) => {
    const first = await bench.run();
    assert((await metricsOf(bench, first)).container.length > 0);
    const second = await bench.run({ metadata: { name: "second" }, logPath: "second/0.log" }, first.sandbox);
    assert((await metricsOf(bench, second)).container.length > 0);
    await bench.client.stopContainer({ containerId: second.id, timeout: 0n });
    await bench.exited(second.id);
    assertEquals((await metricsOf(bench, second)).container, []);
    assert((await metricsOf(bench, first)).container.length > 0);
    await bench.client.stopPodSandbox({ podSandboxId: first.sandbox.id });
    assertEquals((await bench.client.listPodSandboxMetrics()).podMetrics, []);
  },
  skiffOnly,
);
