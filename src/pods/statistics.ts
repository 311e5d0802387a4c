import type { PodSandboxMetadata } from "../../proto/gen/runtime/v1/api.ts";
import type { Images } from "../images/types.ts";
import {
  type CgroupUsage,
  type InterfaceUsage,
  type MetricsReader,
  RateKeeper,
  type Sample,
  type Subject,
  type UsageReader,
} from "../stats/mod.ts";
import type { CgroupDriver } from "../oci/types.ts";
import { ENOENT, isErrno } from "../sys/mod.ts";
import type { Container, Sandbox } from "./catalog.ts";
import { nowNanoseconds } from "./context.ts";
import { podPlacement } from "./pod_cgroup.ts";

export interface ContainerFigures {
  usage: CgroupUsage;
  /** Since the sample before; undefined at the first. */
  nanoCores?: bigint;
  writable: { mountpoint: string; usedBytes: number; inodesUsed: number };
}

export interface SandboxFigures {
  usage: CgroupUsage;
  nanoCores?: bigint;
  /** The first is the pod's default one. */
  interfaces: InterfaceUsage[];
}

/** What pods and containers use: cgroup files, network interfaces, writable layers. */
export class Statistics {
  readonly #reader: UsageReader;
  readonly #metrics: MetricsReader;
  readonly #images: Images;
  readonly #cgroups: CgroupDriver;
  readonly #rates = new RateKeeper();

  constructor(reader: UsageReader, metrics: MetricsReader, images: Images, cgroups: CgroupDriver) {
    this.#reader = reader;
    this.#metrics = metrics;
    this.#images = images;
    this.#cgroups = cgroups;
  }

  container({ record }: Container): ContainerFigures {
    const usage = this.#reader.cgroup(record.placement);
    return { usage, nanoCores: this.#rate(record.id, usage), writable: this.#images.writableUsage(record.id) };
  }

  /** Of the cgroup that the kubelet made for the pod: its containers together. */
  sandbox({ record }: Sandbox): SandboxFigures {
    const placement = podPlacement(this.#cgroups, record.cgroupParent);
    const usage = placement ? this.#reader.cgroup(placement) : { timestamp: nowNanoseconds() };
    return {
      usage,
      nanoCores: this.#rate(record.id, usage),
      interfaces: record.netns ? unlessGone(() => this.#reader.network(record.netns!)) ?? [] : [],
    };
  }

  /** What ListPodSandboxMetrics tells of a pod itself. */
  sandboxMetrics({ record, config }: Sandbox): Sample[] {
    const subject = this.#subject(config.metadata, { id: record.cgroupParent, name: record.id });
    const facts = { placement: podPlacement(this.#cgroups, record.cgroupParent), startedAt: BigInt(record.createdAt) };
    return unlessGone(() => this.#metrics.pod(subject, { ...facts, netns: record.netns })) ??
      this.#metrics.pod(subject, facts);
  }

  /** What it tells of a running container in that pod. */
  containerMetrics({ record, config }: Container, sandbox: Sandbox): Sample[] {
    const subject = this.#subject(sandbox.config.metadata, {
      container: config.metadata?.name,
      id: record.placement.path ?? record.placement.cgroupsPath,
      image: config.image?.userSpecifiedImage || config.image?.image,
      name: record.id,
    });
    const { usedBytes, mountpoint } = this.#images.writableUsage(record.id);
    const resources = config.linux?.resources;
    return this.#metrics.container(subject, {
      placement: record.placement,
      startedAt: BigInt(record.startedAt || record.createdAt),
      pid: record.process.pid,
      writable: { usedBytes: BigInt(usedBytes), folder: mountpoint },
      limits: {
        cpuPeriod: resources?.cpuPeriod ?? 0n,
        cpuQuota: resources?.cpuQuota ?? 0n,
        cpuShares: resources?.cpuShares ?? 0n,
        memoryLimitInBytes: resources?.memoryLimitInBytes ?? 0n,
        memorySwapLimitInBytes: resources?.memorySwapLimitInBytes ?? 0n,
      },
    });
  }

  #subject(
    pod: PodSandboxMetadata | undefined,
    { container = "", id, image = "", name }: { container?: string; id: string; image?: string; name: string },
  ): Subject {
    return { container, id, image, name, namespace: pod?.namespace ?? "", pod: pod?.name ?? "" };
  }

  #rate(id: string, usage: CgroupUsage): bigint | undefined {
    return usage.cpuUsageNanoseconds === undefined
      ? undefined
      : this.#rates.nanoCores(id, usage.timestamp, usage.cpuUsageNanoseconds);
  }

  forget(id: string): void {
    this.#rates.forget(id);
  }
}

/** A network namespace may have been taken from under us: one pod's must not spoil the list of all. */
function unlessGone<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (isErrno(error, ENOENT)) return undefined;
    throw error;
  }
}
