import type { Images } from "../images/types.ts";
import { type CgroupUsage, type InterfaceUsage, RateKeeper, type UsageReader } from "../stats/mod.ts";
import type { CgroupDriver } from "../oci/types.ts";
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
  readonly #images: Images;
  readonly #cgroups: CgroupDriver;
  readonly #rates = new RateKeeper();

  constructor(reader: UsageReader, images: Images, cgroups: CgroupDriver) {
    this.#reader = reader;
    this.#images = images;
    this.#cgroups = cgroups;
  }

  async container({ record }: Container): Promise<ContainerFigures> {
    const usage = this.#reader.cgroup(record.placement);
    return { usage, nanoCores: this.#rate(record.id, usage), writable: await this.#images.writableUsage(record.id) };
  }

  /** Of the cgroup that the kubelet made for the pod: its containers together. */
  sandbox({ record }: Sandbox): SandboxFigures {
    const placement = podPlacement(this.#cgroups, record.cgroupParent);
    const usage = placement ? this.#reader.cgroup(placement) : { timestamp: nowNanoseconds() };
    return {
      usage,
      nanoCores: this.#rate(record.id, usage),
      interfaces: record.netns ? this.#reader.network(record.netns) : [],
    };
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
