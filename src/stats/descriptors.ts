import type { Descriptor } from "./metric.ts";

const counter = <const Labels extends readonly string[] = []>(name: string, help: string, labels?: Labels) =>
  describe("counter", name, help, labels);
const gauge = <const Labels extends readonly string[] = []>(name: string, help: string, labels?: Labels) =>
  describe("gauge", name, help, labels);

function describe<Labels extends readonly string[]>(
  type: Descriptor["type"],
  name: string,
  help: string,
  labels = [] as readonly string[] as Labels,
): Descriptor<Labels> {
  return { name: `container_${name}`, help, type, labels };
}

/** Every metric of pods and containers that is ever sent. Names and labels are cadvisor's. */
export const METRICS = {
  lastSeen: gauge("last_seen", "When it was last seen, in seconds since the epoch"),
  startTime: gauge("start_time_seconds", "When it was started, in seconds since the epoch"),

  cpuUsage: counter("cpu_usage_seconds_total", "CPU time used, in whole seconds", ["cpu"]),
  cpuUser: counter("cpu_user_seconds_total", "CPU time used in user mode, in whole seconds"),
  cpuSystem: counter("cpu_system_seconds_total", "CPU time used in kernel mode, in whole seconds"),
  cpuPeriods: counter("cpu_cfs_periods_total", "Enforcement periods of the CPU quota in which it wanted to run"),
  cpuThrottledPeriods: counter("cpu_cfs_throttled_periods_total", "Periods in which its CPU quota held it up"),
  cpuThrottled: counter("cpu_cfs_throttled_seconds_total", "Time that its CPU quota held it up, in whole seconds"),

  memoryCache: gauge("memory_cache", "Page cache, in bytes"),
  memoryRss: gauge("memory_rss", "Anonymous memory, in bytes"),
  memorySwap: gauge("memory_swap", "Swap used, in bytes"),
  memoryUsage: gauge("memory_usage_bytes", "All memory charged to it, in bytes"),
  memoryWorkingSet: gauge("memory_working_set_bytes", "Memory less the inactive page cache, in bytes"),
  memoryMaxUsage: gauge("memory_max_usage_bytes", "The most memory ever charged to it, in bytes"),
  memoryFailcnt: counter("memory_failcnt", "How often it ran into its memory limit"),
  memoryFailures: counter("memory_failures_total", "Page faults", ["failure_type", "scope"]),
  memoryKernel: gauge("memory_kernel_usage", "Kernel memory charged to it, in bytes"),
  memoryMapped: gauge("memory_mapped_file", "Mapped files, in bytes"),

  hugetlbUsage: gauge("hugetlb_usage_bytes", "Huge pages used, in bytes", ["pagesize"]),
  hugetlbMaxUsage: gauge("hugetlb_max_usage_bytes", "The most huge pages ever used, in bytes", ["pagesize"]),

  networkReceiveBytes: counter("network_receive_bytes_total", "Bytes received", ["interface"]),
  networkReceivePackets: counter("network_receive_packets_total", "Packets received", ["interface"]),
  networkReceiveDropped: counter("network_receive_packets_dropped_total", "Packets dropped on receipt", ["interface"]),
  networkReceiveErrors: counter("network_receive_errors_total", "Errors on receipt", ["interface"]),
  networkTransmitBytes: counter("network_transmit_bytes_total", "Bytes sent", ["interface"]),
  networkTransmitPackets: counter("network_transmit_packets_total", "Packets sent", ["interface"]),
  networkTransmitDropped: counter("network_transmit_packets_dropped_total", "Packets dropped on sending", [
    "interface",
  ]),
  networkTransmitErrors: counter("network_transmit_errors_total", "Errors on sending", ["interface"]),

  fsUsage: gauge("fs_usage_bytes", "Size of the writable layer, in bytes", ["device"]),
  fsLimit: gauge("fs_limit_bytes", "Size of the file system that writable layers are on, in bytes", ["device"]),
  fsInodesFree: gauge("fs_inodes_free", "Free inodes of that file system", ["device"]),
  fsInodesTotal: gauge("fs_inodes_total", "Inodes of that file system", ["device"]),
  fsReads: counter("fs_reads_total", "Reads from a device", ["device"]),
  fsReadBytes: counter("fs_reads_bytes_total", "Bytes read from a device", ["device"]),
  fsWrites: counter("fs_writes_total", "Writes to a device", ["device"]),
  fsWriteBytes: counter("fs_writes_bytes_total", "Bytes written to a device", ["device"]),
  blkioUsage: counter("blkio_device_usage_total", "Bytes moved from and to a device", [
    "device",
    "major",
    "minor",
    "operation",
  ]),

  oomEvents: counter("oom_events_total", "Processes that the kernel killed for memory"),

  processes: gauge("processes", "Processes"),
  threads: gauge("threads", "Threads"),
  threadsMax: gauge("threads_max", "The most threads it may have; 0: no limit"),
  fileDescriptors: gauge("file_descriptors", "Open file descriptors"),
  sockets: gauge("sockets", "Open sockets"),
  ulimitsSoft: gauge("ulimits_soft", "Soft limits of its first process", ["ulimit"]),

  specCpuPeriod: gauge("spec_cpu_period", "Period of the CPU quota, in microseconds"),
  specCpuQuota: gauge("spec_cpu_quota", "CPU quota, in microseconds per period"),
  specCpuShares: gauge("spec_cpu_shares", "CPU shares"),
  specMemoryLimit: gauge("spec_memory_limit_bytes", "Memory limit, in bytes; 0: none"),
  specMemoryReservation: gauge("spec_memory_reservation_limit_bytes", "Memory reservation, in bytes; 0: none"),
  specMemorySwapLimit: gauge("spec_memory_swap_limit_bytes", "Limit of memory and swap together, in bytes; 0: none"),

  cpuWaiting: counter("pressure_cpu_waiting_seconds_total", "Time in which some task waited for a CPU"),
  cpuStalled: counter("pressure_cpu_stalled_seconds_total", "Time in which no task ran for want of a CPU"),
  memoryWaiting: counter("pressure_memory_waiting_seconds_total", "Time in which some task waited for memory"),
  memoryStalled: counter("pressure_memory_stalled_seconds_total", "Time in which no task ran for want of memory"),
  ioWaiting: counter("pressure_io_waiting_seconds_total", "Time in which some task waited for input or output"),
  ioStalled: counter("pressure_io_stalled_seconds_total", "Time in which no task ran for input or output"),
} as const;
