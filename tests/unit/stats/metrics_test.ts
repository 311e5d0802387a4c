import { assert, assertEquals } from "@std/assert";
import { parseBlkio } from "../../../src/stats/cgroup_detail_v1.ts";
import { parseIoStat } from "../../../src/stats/cgroup_detail_v2.ts";
import { METRICS, MetricsReader, type Sample } from "../../../src/stats/mod.ts";
import { kernel } from "../../../src/sys/mod.ts";

kernel.getpid();
const reader = new MetricsReader(kernel);
const subject = { container: "main", id: "/pod/c", image: "image:1", name: "c1", namespace: "default", pod: "p" };
const base = ["main", "/pod/c", "image:1", "c1", "default", "p"];
const NO_LIMITS = {
  cpuPeriod: 0n,
  cpuQuota: 0n,
  cpuShares: 0n,
  memoryLimitInBytes: 0n,
  memorySwapLimitInBytes: 0n,
};

const V2_FILES = {
  "cpu.stat":
    "usage_usec 12500000\nuser_usec 10000000\nsystem_usec 2500000\nnr_periods 9\nnr_throttled 4\nthrottled_usec 3000001\n",
  "memory.current": "1000\n",
  "memory.peak": "2000\n",
  "memory.stat": "anon 300\nfile 700\nkernel 30\nfile_mapped 40\ninactive_file 400\npgfault 11\npgmajfault 2\n",
  "memory.events": "low 0\nhigh 0\nmax 5\noom 1\noom_kill 3\n",
  "memory.swap.current": "50\n",
  "io.stat": "253:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n",
  "pids.current": "7\n",
  "pids.max": "max\n",
  "cgroup.procs": `${Deno.pid}\n`,
  "cpu.pressure":
    "some avg10=1.00 avg60=2.00 avg300=3.00 total=4000000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=1999999\n",
};

function sampled(files: Record<string, string>, limits = NO_LIMITS): Sample[] {
  const folder = Deno.makeTempDirSync({ prefix: "skiff-test-v2-" });
  try {
    for (const [name, text] of Object.entries(files)) Deno.writeTextFileSync(`${folder}/${name}`, text);
    return reader.container(subject, {
      placement: { cgroupsPath: "/pod/c", paths: { "": folder } },
      startedAt: 1_700_000_000_500_000_000n,
      pid: Deno.pid,
      writable: { usedBytes: 4096n, folder },
      limits,
    });
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** Values by name and labels beside the base ones. */
function values(samples: Sample[]): Record<string, bigint> {
  return Object.fromEntries(
    samples.map(({ descriptor, labelValues, value }) => [
      [descriptor.name.slice("container_".length), ...labelValues.slice(base.length)].join(" "),
      value,
    ]),
  );
}

Deno.test("METRICS have the names that cadvisor and the field's runtimes use, each once", () => {
  const names = Object.values(METRICS).map(({ name }) => name);
  assertEquals(new Set(names).size, names.length);
  const expected = {
    "":
      "last_seen start_time_seconds oom_events_total processes threads threads_max file_descriptors sockets ulimits_soft",
    cpu_: "usage_seconds_total user_seconds_total system_seconds_total cfs_periods_total cfs_throttled_periods_total " +
      "cfs_throttled_seconds_total",
    memory_:
      "cache rss swap usage_bytes working_set_bytes max_usage_bytes failcnt failures_total kernel_usage mapped_file",
    hugetlb_: "usage_bytes max_usage_bytes",
    network_receive_: "bytes_total packets_total packets_dropped_total errors_total",
    network_transmit_: "bytes_total packets_total packets_dropped_total errors_total",
    fs_:
      "usage_bytes limit_bytes inodes_free inodes_total reads_total reads_bytes_total writes_total writes_bytes_total",
    blkio_: "device_usage_total",
    spec_: "cpu_period cpu_quota cpu_shares memory_limit_bytes memory_reservation_limit_bytes memory_swap_limit_bytes",
    pressure_: "cpu_waiting_seconds_total cpu_stalled_seconds_total memory_waiting_seconds_total " +
      "memory_stalled_seconds_total io_waiting_seconds_total io_stalled_seconds_total",
  };
  const list = Object.entries(expected).flatMap(([prefix, rest]) =>
    rest.split(" ").map((name) => `container_${prefix}${name}`)
  );
  assertEquals(names.toSorted(), list.toSorted());
  for (const { help } of Object.values(METRICS)) assert(help.length > 0);
});

Deno.test("MetricsReader.container() reads a v2 cgroup, each value with the labels of its descriptor", () => {
  const samples = sampled(V2_FILES, { ...NO_LIMITS, cpuPeriod: 100_000n, cpuQuota: 50_000n, memoryLimitInBytes: 64n });
  for (const { descriptor, labelValues } of samples) {
    assertEquals(labelValues.length, base.length + descriptor.labels.length, descriptor.name);
    assertEquals(labelValues.slice(0, base.length), base);
  }
  const {
    last_seen,
    file_descriptors,
    sockets,
    "ulimits_soft max_open_files": openFiles,
    ...others
  } = values(samples.filter(({ descriptor }) => !/_fs_|blkio|hugetlb/.test(descriptor.name)));
  assert(last_seen > 1_700_000_000n && file_descriptors > 2n && sockets >= 0n && openFiles > 0n);
  assertEquals(others, {
    start_time_seconds: 1_700_000_000n,
    "cpu_usage_seconds_total total": 12n,
    cpu_user_seconds_total: 10n,
    cpu_system_seconds_total: 2n,
    cpu_cfs_periods_total: 9n,
    cpu_cfs_throttled_periods_total: 4n,
    cpu_cfs_throttled_seconds_total: 3n,
    memory_cache: 700n,
    memory_rss: 300n,
    memory_swap: 50n,
    memory_usage_bytes: 1000n,
    memory_working_set_bytes: 600n,
    memory_max_usage_bytes: 2000n,
    memory_failcnt: 5n,
    memory_kernel_usage: 30n,
    memory_mapped_file: 40n,
    oom_events_total: 3n,
    "memory_failures_total pgfault container": 11n,
    "memory_failures_total pgmajfault container": 2n,
    "memory_failures_total pgfault hierarchy": 11n,
    "memory_failures_total pgmajfault hierarchy": 2n,
    threads: 7n,
    threads_max: 0n,
    processes: 1n,
    pressure_cpu_waiting_seconds_total: 4n,
    pressure_cpu_stalled_seconds_total: 1n,
    spec_cpu_period: 100_000n,
    spec_cpu_quota: 50_000n,
    spec_memory_limit_bytes: 64n,
    spec_memory_reservation_limit_bytes: 0n,
    spec_memory_swap_limit_bytes: 0n,
  });
  const devices = values(samples.filter(({ descriptor }) => /_fs_(reads|writes)|blkio/.test(descriptor.name)));
  assertEquals(Object.values(devices).toSorted(), [1n, 10n, 10n, 2n, 20n, 20n]);
});

Deno.test("MetricsReader.container() leaves out what the node cannot tell", () => {
  const names = sampled({ "memory.current": "1000\n", "memory.stat": "anon 300\n" }).map(({ descriptor }) =>
    descriptor.name
  );
  assertEquals(names.includes("container_memory_usage_bytes"), true);
  for (
    const name of ["memory_max_usage_bytes", "cpu_usage_seconds_total", "threads", "processes", "oom_events_total"]
  ) {
    assertEquals(names.includes(`container_${name}`), false, name);
  }
});

Deno.test("MetricsReader.container() of a cgroup that is gone fails nothing", () => {
  const gone: Record<string, string>[] = [
    { "": "/sys/fs/cgroup/none" },
    { memory: "/sys/fs/cgroup/memory/none", pids: "/none" },
  ];
  for (const paths of gone) {
    const samples = reader.container(subject, {
      placement: { cgroupsPath: "/none", paths },
      startedAt: 0n,
      pid: 2 ** 22,
      writable: { usedBytes: 0n, folder: "/" },
      limits: NO_LIMITS,
    });
    assertEquals(samples.some(({ descriptor }) => descriptor.name === "container_memory_usage_bytes"), false);
  }
});

Deno.test("MetricsReader.pod() tells of a pod without a cgroup or a network of its own that it is there", () => {
  const samples = reader.pod({ ...subject, container: "", image: "" }, { startedAt: 5_000_000_000n });
  assertEquals(samples.map(({ descriptor }) => descriptor.name), [
    "container_last_seen",
    "container_start_time_seconds",
  ]);
});

Deno.test("parseBlkio() puts operations and bytes of a device together, and leaves the totals", () => {
  const operations = "8:0 Read 3\n8:0 Write 4\n8:0 Sync 7\n8:0 Total 7\nTotal 7\n";
  const bytes = "8:0 Read 4096\n8:0 Write 8192\n253:16 Read 512\nTotal 12800\n";
  assertEquals(parseBlkio(operations, bytes), [
    { major: "8", minor: "0", reads: 3n, writes: 4n, readBytes: 4096n, writeBytes: 8192n },
    { major: "253", minor: "16", reads: 0n, writes: 0n, readBytes: 512n, writeBytes: 0n },
  ]);
  assertEquals(parseBlkio(undefined, "Total 0\n"), []);
});

Deno.test("parseIoStat() reads devices, and takes what is not said for zero", () => {
  const text = "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n259:1 rbytes=9\n8:16 \n";
  assertEquals(parseIoStat(text), [
    { major: "8", minor: "0", reads: 3n, writes: 4n, readBytes: 1n, writeBytes: 2n },
    { major: "259", minor: "1", reads: 0n, writes: 0n, readBytes: 9n, writeBytes: 0n },
    { major: "8", minor: "16", reads: 0n, writes: 0n, readBytes: 0n, writeBytes: 0n },
  ]);
  assertEquals(parseIoStat(undefined), []);
});

Deno.test("MetricsReader.container() doesn't count descriptors without end", () => {
  const files = Array.from({ length: 1_100 }, () => Deno.openSync("/dev/null"));
  try {
    const names = sampled(V2_FILES).map(({ descriptor }) => descriptor.name);
    assertEquals(names.includes("container_processes"), true);
    assertEquals(names.includes("container_file_descriptors"), false);
  } finally {
    for (const file of files) file.close();
  }
});
