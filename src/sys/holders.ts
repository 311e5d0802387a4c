import type { Kernel } from "./kernel.ts";

/** A process that keeps a file or a mount alive. */
export interface Holder {
  pid: number;
  /** As `ps` shows it. */
  comm: string;
  how: "an open file" | "its working directory" | "its root" | "its program" | "its mount namespace";
}

/** What is looked for. */
export interface Held {
  /** Text in the paths of open files, and in lines of mountinfo. */
  names: string[];
  /** st_dev of file systems. */
  devices: Set<bigint>;
  /** IDs of mounts, as mountinfo and fdinfo have them. */
  mounts: Set<number>;
}

/** Milliseconds between two turns of the event loop. */
const SLICE = 5;
const MAX_TEXT = 64 << 20;
const LINKS = [["cwd", "its working directory"], ["root", "its root"], ["exe", "its program"]] as const;

/** The processes of this node that hold something, one way each; at most `limit`. Those that end meanwhile are left out. */
export async function findHolders(kernel: Kernel, held: Held, limit = 8): Promise<Holder[]> {
  const holders: Holder[] = [];
  const namespaces = new Set<string>();
  let since = performance.now();
  for (const { name } of kernel.readDirectory("/proc", Number.MAX_SAFE_INTEGER)) {
    if (!/^[0-9]+$/.test(name) || holders.length >= limit) continue;
    const how = attempt(() => holdOf(kernel, `/proc/${name}`, held, namespaces));
    if (how) {
      const comm = attempt(() => kernel.readText(`/proc/${name}/comm`, 100).trim()) ?? "";
      holders.push({ pid: Number(name), comm, how });
    }
    if (performance.now() - since < SLICE) continue;
    await new Promise((resolve) => setTimeout(resolve, 0));
    since = performance.now();
  }
  return holders;
}

function holdOf(kernel: Kernel, process: string, held: Held, namespaces: Set<string>): Holder["how"] | undefined {
  const isOn = (path: string) => attempt(() => held.devices.has(kernel.stat(path).dev)) ?? false;
  for (const [link, how] of LINKS) if (isOn(`${process}/${link}`)) return how;
  for (const { name } of kernel.readDirectory(`${process}/fd`, Number.MAX_SAFE_INTEGER)) {
    const path = attempt(() => kernel.readlink(`${process}/fd/${name}`)) ?? "";
    // Sockets, pipes and the like.
    if (!path.startsWith("/")) continue;
    if (held.names.some((text) => path.includes(text)) || isOn(`${process}/fd/${name}`)) return "an open file";
    if (held.mounts.size === 0) continue;
    const mount = /^mnt_id:\s*([0-9]+)$/m.exec(attempt(() => kernel.readText(`${process}/fdinfo/${name}`, 4096)) ?? "");
    if (mount && held.mounts.has(Number(mount[1]))) return "an open file";
  }
  const namespace = kernel.readlink(`${process}/ns/mnt`);
  if (namespaces.has(namespace)) return undefined;
  namespaces.add(namespace);
  const mounts = kernel.readText(`${process}/mountinfo`, MAX_TEXT);
  return held.names.some((text) => mounts.includes(text)) ? "its mount namespace" : undefined;
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
