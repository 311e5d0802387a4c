import type { CgroupPlacement } from "../oci/types.ts";
import type { Kernel } from "../sys/mod.ts";
import { detailV1 } from "./cgroup_detail_v1.ts";
import { detailV2 } from "./cgroup_detail_v2.ts";
import type { CgroupUsage } from "./types.ts";

/** All that the pod metrics tell of a cgroup. Times in nanoseconds. What the node cannot tell is undefined, never 0. */
export interface CgroupDetail {
  cpu: {
    usage?: bigint;
    user?: bigint;
    system?: bigint;
    periods?: bigint;
    throttledPeriods?: bigint;
    throttled?: bigint;
  };
  memory: {
    cache?: bigint;
    rss?: bigint;
    swap?: bigint;
    usage?: bigint;
    workingSet?: bigint;
    maxUsage?: bigint;
    failcnt?: bigint;
    kernel?: bigint;
    mappedFile?: bigint;
    oomKills?: bigint;
  };
  pageFaults: { type: "pgfault" | "pgmajfault"; scope: "container" | "hierarchy"; count?: bigint }[];
  devices: DeviceUsage[];
  hugetlb: { pageSize: string; usage?: bigint; maxUsage?: bigint }[];
  threads?: bigint;
  /** 0: no limit. */
  threadsMax?: bigint;
  psi?: CgroupUsage["psi"];
}

/** What went through a block device. */
export interface DeviceUsage {
  major: string;
  minor: string;
  reads: bigint;
  writes: bigint;
  readBytes: bigint;
  writeBytes: bigint;
}

/** `pageSizes` as cgroups spell them: `2MB`. */
export function readDetail(kernel: Kernel, placement: CgroupPlacement, pageSizes: string[]): CgroupDetail {
  const unified = placement.paths[""];
  return unified === undefined ? detailV1(kernel, placement.paths, pageSizes) : detailV2(kernel, unified, pageSizes);
}
