import type { CgroupPlacement } from "../oci/types.ts";
import type { Kernel } from "../sys/mod.ts";
import { type CgroupDetail, readDetail } from "./cgroup_detail.ts";
import { METRICS } from "./descriptors.ts";
import { readIfThere } from "./files.ts";
import { readInterfaces } from "./interfaces.ts";
import { type Sample, Samples, type Subject } from "./metric.ts";
import { readProcesses } from "./process_detail.ts";
import type { Psi } from "./types.ts";

const SECOND = 1_000_000_000n;

/** What is known of a pod without looking. */
export interface PodFacts {
  placement?: CgroupPlacement;
  netns?: string;
  /** Nanoseconds since the epoch. */
  startedAt: bigint;
}

export interface ContainerFacts {
  placement: CgroupPlacement;
  /** Nanoseconds since the epoch. */
  startedAt: bigint;
  /** Of its first process. */
  pid: number;
  /** The writable layer, and the folder in which all of them are. */
  writable: { usedBytes: bigint; folder: string };
  limits: Limits;
}

/** As a request states them: 0 is none. */
export interface Limits {
  cpuPeriod: bigint;
  cpuQuota: bigint;
  cpuShares: bigint;
  memoryLimitInBytes: bigint;
  memorySwapLimitInBytes: bigint;
}

/** Reads what ListPodSandboxMetrics tells, straight from the kernel: some 30 files for a container, 0.3 ms. */
export class MetricsReader {
  readonly #kernel: Kernel;
  readonly #deviceNames = new Map<string, string>();
  #pageSizes?: string[];

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  pod(subject: Subject, { placement, netns, startedAt }: PodFacts): Sample[] {
    const samples = new Samples(subject);
    this.#life(samples, startedAt);
    if (placement) this.#cgroup(samples, readDetail(this.#kernel, placement, this.#hugePageSizes()));
    if (netns !== undefined) this.#network(samples, netns);
    return samples.list;
  }

  container(subject: Subject, { placement, startedAt, pid, writable, limits }: ContainerFacts): Sample[] {
    const samples = new Samples(subject);
    this.#life(samples, startedAt);
    this.#cgroup(samples, readDetail(this.#kernel, placement, this.#hugePageSizes()));

    const { processes, fileDescriptors, sockets, maxOpenFiles } = readProcesses(this.#kernel, placement, pid);
    samples.add(METRICS.processes, processes, []);
    samples.add(METRICS.fileDescriptors, fileDescriptors, []);
    samples.add(METRICS.sockets, sockets, []);
    samples.add(METRICS.ulimitsSoft, maxOpenFiles, ["max_open_files"]);

    const { device, limitBytes, inodesFree, inodesTotal } = this.#fileSystem(writable.folder);
    samples.add(METRICS.fsUsage, writable.usedBytes, [device]);
    samples.add(METRICS.fsLimit, limitBytes, [device]);
    samples.add(METRICS.fsInodesFree, inodesFree, [device]);
    samples.add(METRICS.fsInodesTotal, inodesTotal, [device]);

    if (limits.cpuQuota > 0n) {
      samples.add(METRICS.specCpuPeriod, limits.cpuPeriod, []);
      samples.add(METRICS.specCpuQuota, limits.cpuQuota, []);
    }
    if (limits.cpuShares > 0n) samples.add(METRICS.specCpuShares, limits.cpuShares, []);
    samples.add(METRICS.specMemoryLimit, limits.memoryLimitInBytes, []);
    samples.add(METRICS.specMemoryReservation, 0n, []);
    samples.add(METRICS.specMemorySwapLimit, limits.memorySwapLimitInBytes, []);
    return samples.list;
  }

  #life(samples: Samples, startedAt: bigint): void {
    samples.add(METRICS.lastSeen, BigInt(Math.floor(Date.now() / 1000)), []);
    samples.add(METRICS.startTime, startedAt / SECOND, []);
  }

  #cgroup(
    samples: Samples,
    { cpu, memory, pageFaults, devices, hugetlb, threads, threadsMax, psi }: CgroupDetail,
  ): void {
    samples.add(METRICS.cpuUsage, seconds(cpu.usage), ["total"]);
    samples.add(METRICS.cpuUser, seconds(cpu.user), []);
    samples.add(METRICS.cpuSystem, seconds(cpu.system), []);
    samples.add(METRICS.cpuPeriods, cpu.periods, []);
    samples.add(METRICS.cpuThrottledPeriods, cpu.throttledPeriods, []);
    samples.add(METRICS.cpuThrottled, seconds(cpu.throttled), []);

    samples.add(METRICS.memoryCache, memory.cache, []);
    samples.add(METRICS.memoryRss, memory.rss, []);
    samples.add(METRICS.memorySwap, memory.swap, []);
    samples.add(METRICS.memoryUsage, memory.usage, []);
    samples.add(METRICS.memoryWorkingSet, memory.workingSet, []);
    samples.add(METRICS.memoryMaxUsage, memory.maxUsage, []);
    samples.add(METRICS.memoryFailcnt, memory.failcnt, []);
    samples.add(METRICS.memoryKernel, memory.kernel, []);
    samples.add(METRICS.memoryMapped, memory.mappedFile, []);
    samples.add(METRICS.oomEvents, memory.oomKills, []);
    for (const { type, scope, count } of pageFaults) samples.add(METRICS.memoryFailures, count, [type, scope]);

    for (const { pageSize, usage, maxUsage } of hugetlb) {
      samples.add(METRICS.hugetlbUsage, usage, [pageSize]);
      samples.add(METRICS.hugetlbMaxUsage, maxUsage, [pageSize]);
    }
    for (const { major, minor, reads, writes, readBytes, writeBytes } of devices) {
      const device = this.#deviceName(major, minor);
      samples.add(METRICS.fsReads, reads, [device]);
      samples.add(METRICS.fsReadBytes, readBytes, [device]);
      samples.add(METRICS.fsWrites, writes, [device]);
      samples.add(METRICS.fsWriteBytes, writeBytes, [device]);
      samples.add(METRICS.blkioUsage, readBytes, [device, major, minor, "Read"]);
      samples.add(METRICS.blkioUsage, writeBytes, [device, major, minor, "Write"]);
    }
    samples.add(METRICS.threads, threads, []);
    samples.add(METRICS.threadsMax, threadsMax, []);
    this.#pressure(samples, psi);
  }

  #pressure(samples: Samples, psi: CgroupDetail["psi"]): void {
    const total = (one: Psi | undefined, kind: keyof Psi) => seconds(one?.[kind].total);
    samples.add(METRICS.cpuWaiting, total(psi?.cpu, "some"), []);
    samples.add(METRICS.cpuStalled, total(psi?.cpu, "full"), []);
    samples.add(METRICS.memoryWaiting, total(psi?.memory, "some"), []);
    samples.add(METRICS.memoryStalled, total(psi?.memory, "full"), []);
    samples.add(METRICS.ioWaiting, total(psi?.io, "some"), []);
    samples.add(METRICS.ioStalled, total(psi?.io, "full"), []);
  }

  #network(samples: Samples, netns: string): void {
    for (const one of readInterfaces(this.#kernel, netns)) {
      samples.add(METRICS.networkReceiveBytes, one.rxBytes, [one.name]);
      samples.add(METRICS.networkReceivePackets, one.rxPackets, [one.name]);
      samples.add(METRICS.networkReceiveDropped, one.rxDropped, [one.name]);
      samples.add(METRICS.networkReceiveErrors, one.rxErrors, [one.name]);
      samples.add(METRICS.networkTransmitBytes, one.txBytes, [one.name]);
      samples.add(METRICS.networkTransmitPackets, one.txPackets, [one.name]);
      samples.add(METRICS.networkTransmitDropped, one.txDropped, [one.name]);
      samples.add(METRICS.networkTransmitErrors, one.txErrors, [one.name]);
    }
  }

  /** Without a device of its own (a network's, a tmpfs) it goes by the folder. */
  #fileSystem(folder: string) {
    const { blockSize, blocks, files, filesFree } = this.#kernel.statfs(folder);
    const { dev } = this.#kernel.stat(folder);
    const [major, minor] = [(dev >> 8n) & 0xfffn, (dev & 0xffn) | ((dev >> 12n) & 0xfff00n)];
    return {
      device: major === 0n ? folder : this.#deviceName(String(major), String(minor)),
      limitBytes: BigInt(blocks) * BigInt(blockSize),
      inodesFree: BigInt(filesFree),
      inodesTotal: BigInt(files),
    };
  }

  /** `/dev/sda` for 8:0. */
  #deviceName(major: string, minor: string): string {
    const number = `${major}:${minor}`;
    let name = this.#deviceNames.get(number);
    if (name === undefined) {
      const event = readIfThere(this.#kernel, `/sys/dev/block/${number}/uevent`) ?? "";
      const found = /^DEVNAME=(.+)$/m.exec(event)?.[1];
      this.#deviceNames.set(number, name = found === undefined ? number : `/dev/${found}`);
    }
    return name;
  }

  #hugePageSizes(): string[] {
    return this.#pageSizes ??= hugePageSizes(this.#kernel);
  }
}

const seconds = (nanoseconds: bigint | undefined) => nanoseconds === undefined ? undefined : nanoseconds / SECOND;

/** The sizes that this node has, as cgroups spell them: `64KB`, `2MB`, `1GB`. */
function hugePageSizes(kernel: Kernel): string[] {
  const folder = "/sys/kernel/mm/hugepages";
  if (!kernel.exists(folder)) return [];
  return kernel.readDirectory(folder).flatMap(({ name }) => {
    const kilobytes = Number(/^hugepages-(\d+)kB$/.exec(name)?.[1] ?? 0);
    if (kilobytes === 0) return [];
    return kilobytes >= 1 << 20
      ? [`${kilobytes >> 20}GB`]
      : kilobytes >= 1 << 10
      ? [`${kilobytes >> 10}MB`]
      : [`${kilobytes}KB`];
  });
}
