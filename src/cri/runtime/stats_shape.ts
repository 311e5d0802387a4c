import type {
  ContainerStats,
  CpuUsage,
  IoUsage,
  MemoryUsage,
  NetworkInterfaceUsage,
  PsiStats,
  SwapUsage,
  UInt64Value,
} from "../../../proto/gen/runtime/v1/api.ts";
import type { Container, ContainerFigures } from "../../pods/mod.ts";
import type { CgroupUsage, InterfaceUsage, Psi, PsiData } from "../../stats/mod.ts";

/** One container's figures as the CRI shapes them. What the node cannot tell is left out. */
export function containerStatsOf(
  { record, config }: Container,
  { usage, nanoCores, writable }: ContainerFigures,
): ContainerStats {
  return {
    attributes: { id: record.id, metadata: config.metadata, labels: config.labels, annotations: config.annotations },
    cpu: cpuOf(usage, nanoCores),
    memory: memoryOf(usage),
    swap: swapOf(usage),
    io: ioOf(usage),
    writableLayer: {
      timestamp: usage.timestamp,
      fsId: { mountpoint: writable.mountpoint },
      usedBytes: value(BigInt(writable.usedBytes)),
      inodesUsed: value(BigInt(writable.inodesUsed)),
    },
  };
}

export const cpuOf = (usage: CgroupUsage, nanoCores: bigint | undefined): CpuUsage => ({
  timestamp: usage.timestamp,
  usageCoreNanoSeconds: value(usage.cpuUsageNanoseconds),
  usageNanoCores: value(nanoCores),
  psi: psi(usage.psi?.cpu),
});

export const memoryOf = (usage: CgroupUsage): MemoryUsage => ({
  timestamp: usage.timestamp,
  workingSetBytes: value(usage.memoryWorkingSetBytes),
  availableBytes: value(usage.memoryAvailableBytes),
  usageBytes: value(usage.memoryUsageBytes),
  rssBytes: value(usage.memoryRssBytes),
  pageFaults: value(usage.memoryPageFaults),
  majorPageFaults: value(usage.memoryMajorPageFaults),
  psi: psi(usage.psi?.memory),
});

const swapOf = (usage: CgroupUsage): SwapUsage => ({
  timestamp: usage.timestamp,
  swapAvailableBytes: value(usage.swapAvailableBytes),
  swapUsageBytes: value(usage.swapUsageBytes),
});

export const ioOf = (usage: CgroupUsage): IoUsage => ({ timestamp: usage.timestamp, psi: psi(usage.psi?.io) });

export const interfaceOf = (usage: InterfaceUsage): NetworkInterfaceUsage => ({
  name: usage.name,
  rxBytes: value(usage.rxBytes),
  rxErrors: value(usage.rxErrors),
  txBytes: value(usage.txBytes),
  txErrors: value(usage.txErrors),
});

export const value = (number: bigint | undefined): UInt64Value | undefined =>
  number === undefined ? undefined : { value: number };

const psiData = ({ total, avg10, avg60, avg300 }: PsiData) => ({
  Total: total,
  Avg10: avg10,
  Avg60: avg60,
  Avg300: avg300,
});
const psi = (from: Psi | undefined): PsiStats | undefined =>
  from && { Full: psiData(from.full), Some: psiData(from.some) };
