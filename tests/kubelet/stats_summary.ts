/** The kubelet's stats/summary, as far as the checks read it. */
import type { CheckContext } from "./check.ts";
import { kubeletPage } from "./node_facts.ts";

export interface Pressure {
  some: { total: number; avg10: number };
  full: { total: number; avg10: number };
}

export interface Usage {
  cpu?: { time: string; usageNanoCores?: number; usageCoreNanoSeconds?: number; psi?: Pressure };
  memory?: {
    time: string;
    workingSetBytes?: number;
    usageBytes?: number;
    rssBytes?: number;
    availableBytes?: number;
    psi?: Pressure;
  };
  io?: { psi?: Pressure };
}

export interface FileSystem {
  availableBytes?: number;
  capacityBytes?: number;
  usedBytes?: number;
  inodes?: number;
  inodesFree?: number;
  inodesUsed?: number;
}

export interface ContainerSummary extends Usage {
  name: string;
  startTime: string;
  rootfs?: FileSystem;
  logs?: FileSystem;
}

export interface PodSummary extends Usage {
  podRef: { name: string; namespace: string; uid: string };
  startTime: string;
  containers?: ContainerSummary[];
  /** Of the pod's default interface. */
  network?: { name?: string; rxBytes?: number; txBytes?: number };
  volume?: (FileSystem & { name: string })[];
  "ephemeral-storage"?: FileSystem;
  process_stats?: { process_count?: number };
}

export interface Summary {
  node: Usage & {
    fs: FileSystem;
    runtime: { imageFs: FileSystem; containerFs?: FileSystem };
    systemContainers: (Usage & { name: string })[];
    rlimit: { maxpid: number; curproc: number };
  };
  pods: PodSummary[];
}

export async function summary(context: CheckContext): Promise<Summary> {
  return JSON.parse(await kubeletPage(context, "stats/summary"));
}

export async function podSummary(context: CheckContext, name: string): Promise<PodSummary | undefined> {
  const { pods } = await summary(context);
  return pods.find(({ podRef }) => podRef.name === name && podRef.namespace === context.namespace);
}

/** Value of the row of a Prometheus text whose name and labels are these. */
export function metric(text: string, name: string, labels: Record<string, string>): number | undefined {
  for (const line of text.split("\n")) {
    if (!line.startsWith(`${name}{`)) continue;
    if (!Object.entries(labels).every(([label, value]) => line.includes(`${label}="${value}"`))) continue;
    return Number(line.slice(line.indexOf("} ") + 2).split(" ")[0]);
  }
}
