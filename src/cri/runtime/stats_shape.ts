import type { ContainerStats, PsiStats, UInt64Value } from "../../../proto/gen/runtime/v1/api.ts";
import type { Container } from "../../pods/mod.ts";
import type { ContainerFigures } from "../../pods/mod.ts";
import type { Psi, PsiData } from "../../stats/types.ts";

/** One container's figures as the CRI shapes them. What the node cannot tell is left out. */
export function containerStatsOf({ record, config }: Container, { usage, nanoCores, writable }: ContainerFigures): ContainerStats {
  const { timestamp } = usage;
  return {
    attributes: { id: record.id, metadata: config.metadata, labels: config.labels, annotations: config.annotations },
    cpu: { timestamp, usageCoreNanoSeconds: value(usage.cpuUsageNanoseconds), usageNanoCores: value(nanoCores), psi: psi(usage.psi?.cpu) },
    memory: {
      timestamp,
      workingSetBytes: value(usage.memoryWorkingSetBytes),
      availableBytes: value(usage.memoryAvailableBytes),
      usageBytes: value(usage.memoryUsageBytes),
      rssBytes: value(usage.memoryRssBytes),
      pageFaults: value(usage.memoryPageFaults),
      majorPageFaults: value(usage.memoryMajorPageFaults),
      psi: psi(usage.psi?.memory),
    },
    swap: { timestamp, swapAvailableBytes: value(usage.swapAvailableBytes), swapUsageBytes: value(usage.swapUsageBytes) },
    io: { timestamp, psi: psi(usage.psi?.io) },
    writableLayer: {
      timestamp,
      fsId: { mountpoint: writable.mountpoint },
      usedBytes: value(BigInt(writable.usedBytes)),
      inodesUsed: value(BigInt(writable.inodesUsed)),
    },
  };
}

export const value = (number: bigint | undefined): UInt64Value | undefined => number === undefined ? undefined : { value: number };

const psiData = ({ total, avg10, avg60, avg300 }: PsiData) => ({ Total: total, Avg10: avg10, Avg60: avg60, Avg300: avg300 });
export const psi = (from: Psi | undefined): PsiStats | undefined => from && { Full: psiData(from.full), Some: psiData(from.some) };
