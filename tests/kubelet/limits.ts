/** The limits that really hold: read from the cgroup files of the node. */
import type { Cluster } from "./check.ts";

/** The controllers whose files are read here. */
type Controller = "cpu" | "memory" | "pids";

export interface Limits {
  /** Bytes; undefined where there is no limit. */
  memory?: number;
  /** Thousandths of a core; undefined where there is no limit. */
  cpu?: number;
  /** As cgroup v1 counts them. */
  cpuShares: number;
  /** Processes; undefined where there is no limit. */
  pids?: number;
}

/** What the kernel makes of shares in cgroup v2, as runc and crun do it. Two generations of the formula are in use. */
function weightsOf(shares: number): number[] {
  const linear = Math.floor(1 + ((shares - 2) * 9999) / 262142);
  const exponent = Math.log2(shares);
  const curved = Math.ceil(10 ** ((exponent * exponent + 125 * exponent) / 612 - 7 / 34));
  return [linear, curved];
}

/** Whether `limits` has these shares, whichever version of cgroups they were read from. */
export function hasShares(cluster: Cluster, limits: Limits, shares: number): boolean {
  return cluster.cgroup === 1 ? limits.cpuShares === shares : weightsOf(shares).includes(limits.cpuShares);
}

function mountOf(cluster: Cluster, controller: Controller): string {
  return cluster.cgroup === 1 ? `/sys/fs/cgroup/${controller}` : "/sys/fs/cgroup";
}

// deno-lint-ignore no-explicit-any
type Pod = any;

/** Identifier of a container's process group in the runtime, without its scheme. */
export function containerId(pod: Pod, name = "main"): string {
  const status = [...pod.status.containerStatuses, ...(pod.status.initContainerStatuses ?? [])]
    .find((status) => status.name === name);
  return status.containerID.replace(/^.*:\/\//, "");
}

/** The pod's cgroup, relative to the mount of the hierarchy. */
export async function podCgroup(cluster: Cluster, pod: Pod, controller: Controller = "memory"): Promise<string> {
  const mount = mountOf(cluster, controller);
  const uid: string = pod.metadata.uid;
  const names = ["(", "-name", `*pod${uid}*`, "-o", "-name", `*pod${uid.replaceAll("-", "_")}*`, ")"];
  const found = await cluster.run("find", `${mount}${cluster.podsCgroup}`, "-type", "d", ...names, "-prune");
  const [path] = found.trim().split("\n");
  if (!path) throw new Error(`no cgroup of pod ${uid} below ${mount}${cluster.podsCgroup}`);
  return path.slice(mount.length);
}

/** The container's cgroup, relative to the mount of the hierarchy. */
export async function containerCgroup(
  cluster: Cluster,
  pod: Pod,
  name = "main",
  controller: Controller = "memory",
): Promise<string> {
  const mount = mountOf(cluster, controller);
  const above = await podCgroup(cluster, pod, controller);
  const id = containerId(pod, name);
  const found = await cluster.run("find", `${mount}${above}`, "-type", "d", "-name", `*${id}*`, "-prune");
  // A monitor's cgroup may have the container's name too.
  const path = found.trim().split("\n").find((line) => line && !line.includes("conmon"));
  if (!path) throw new Error(`no cgroup of container ${id} below ${mount}${above}`);
  return path.slice(mount.length);
}

async function number(cluster: Cluster, path: string): Promise<number | undefined> {
  const { code, stdout } = await cluster.tryRun("cat", path);
  const text = stdout.trim();
  if (code !== 0 || text === "max") return undefined;
  const value = Number(text);
  // cgroup v1 says "no limit" with the largest number of whole pages, or with -1.
  return value < 0 || value > 2 ** 60 ? undefined : value;
}

/** The limits of a pod, or of its container `name`. */
export async function limitsOf(cluster: Cluster, pod: Pod, name?: string): Promise<Limits> {
  const folder = async (controller: Controller) =>
    mountOf(cluster, controller) +
    (name === undefined
      ? await podCgroup(cluster, pod, controller)
      : await containerCgroup(cluster, pod, name, controller));
  const [cpu, memory, pids] = [await folder("cpu"), await folder("memory"), await folder("pids")];
  if (cluster.cgroup === 1) {
    const [quota, period] = [
      await number(cluster, `${cpu}/cpu.cfs_quota_us`),
      await number(cluster, `${cpu}/cpu.cfs_period_us`),
    ];
    return {
      memory: await number(cluster, `${memory}/memory.limit_in_bytes`),
      cpu: quota === undefined || period === undefined ? undefined : Math.round(quota * 1000 / period),
      cpuShares: (await number(cluster, `${cpu}/cpu.shares`))!,
      pids: await number(cluster, `${pids}/pids.max`),
    };
  }
  const [quota, period] = (await cluster.run("cat", `${cpu}/cpu.max`)).trim().split(" ");
  return {
    memory: await number(cluster, `${memory}/memory.max`),
    cpu: quota === "max" ? undefined : Math.round(Number(quota) * 1000 / Number(period)),
    cpuShares: (await number(cluster, `${cpu}/cpu.weight`))!,
    pids: await number(cluster, `${pids}/pids.max`),
  };
}
