import type { Images } from "../images/types.ts";
import type { CgroupUsage, UsageReader } from "../stats/types.ts";
import { RateKeeper } from "../stats/mod.ts";
import type { Container } from "./catalog.ts";

export interface ContainerFigures {
  usage: CgroupUsage;
  /** Since the sample before; undefined at the first. */
  nanoCores?: bigint;
  writable: { mountpoint: string; usedBytes: number; inodesUsed: number };
}

/** What containers use: cgroup files and the writable layer. */
export class Statistics {
  readonly #reader: UsageReader;
  readonly #images: Images;
  readonly #rates = new RateKeeper();

  constructor(reader: UsageReader, images: Images) {
    this.#reader = reader;
    this.#images = images;
  }

  async container(container: Container): Promise<ContainerFigures> {
    const { record } = container;
    const usage = this.#reader.cgroup(record.placement);
    const nanoCores = usage.cpuUsageNanoseconds === undefined ? undefined : this.#rates.nanoCores(record.id, usage.timestamp, usage.cpuUsageNanoseconds);
    return { usage, nanoCores, writable: await this.#images.writableUsage(record.id) };
  }

  forget(id: string): void {
    this.#rates.forget(id);
  }
}
