import type { CgroupPlacement } from "../oci/types.ts";

/** What a cgroup has used, read from its files. Fields that the node cannot tell are undefined, never 0. */
export interface CgroupUsage {
  /** Nanoseconds since the epoch, when it was read. */
  timestamp: bigint;
  cpuUsageNanoseconds?: bigint;
  memoryUsageBytes?: bigint;
  memoryWorkingSetBytes?: bigint;
  memoryAvailableBytes?: bigint;
  memoryRssBytes?: bigint;
  memoryPageFaults?: bigint;
  memoryMajorPageFaults?: bigint;
  swapUsageBytes?: bigint;
  swapAvailableBytes?: bigint;
  pids?: bigint;
  psi?: { cpu?: Psi; memory?: Psi; io?: Psi };
}
export interface Psi {
  full: PsiData;
  some: PsiData;
}
/** As CRI has it: the total in nanoseconds, averages in percent. */
export interface PsiData {
  total: bigint;
  avg10: number;
  avg60: number;
  avg300: number;
}
export interface InterfaceUsage {
  name: string;
  rxBytes: bigint;
  rxPackets: bigint;
  rxErrors: bigint;
  rxDropped: bigint;
  txBytes: bigint;
  txPackets: bigint;
  txErrors: bigint;
  txDropped: bigint;
}
export interface UsageReader {
  cgroup(placement: CgroupPlacement): CgroupUsage;
  /** Interfaces in a pinned network namespace, without lo. */
  network(netns: string): InterfaceUsage[];
}
