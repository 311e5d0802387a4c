import { CLONE_NEWNET, EFBIG, isErrno, type Kernel } from "../sys/mod.ts";
import { parseNumber } from "./files.ts";
import type { InterfaceUsage } from "./types.ts";

/** The name that CNI gives the pod's own interface. Kernels with tunnels put others before it. */
const DEFAULT_INTERFACE = "eth0";

/** A pod may make thousands of interfaces; more than this are not told of. */
const MOST_INTERFACES = 64;

/** The interfaces of a pinned network namespace without lo, the pod's default one first; none of one that has far too many. */
export function readInterfaces(kernel: Kernel, netns: string): InterfaceUsage[] {
  // /proc/net is /proc/self/net, the main thread's by process; the turn is only this thread's.
  const read = () => kernel.readText("/proc/thread-self/net/dev");
  try {
    return parseNetDev(kernel.inNamespaces([{ path: netns, flag: CLONE_NEWNET }], read));
  } catch (error) {
    if (isErrno(error, EFBIG)) return [];
    throw error;
  }
}

/** Parses /proc/net/dev, leaving out `lo`: two heading lines, then a name, ":", 8 receive and 8 transmit counters each. */
export function parseNetDev(text: string): InterfaceUsage[] {
  const usages: InterfaceUsage[] = [];
  for (const line of text.split("\n").slice(2)) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).trim();
    // Names that are not UTF-8 may be the same once decoded, and the kubelet takes no series twice.
    if (colon < 0 || name === "lo" || name.includes("\ufffd")) continue;
    const counters = line.slice(colon + 1).trim().split(/\s+/).map(parseNumber);
    if (counters.length < 16 || counters.includes(undefined)) continue;
    const [rxBytes, rxPackets, rxErrors, rxDropped, , , , , txBytes, txPackets, txErrors, txDropped] =
      counters as bigint[];
    const usage = { name, rxBytes, rxPackets, rxErrors, rxDropped, txBytes, txPackets, txErrors, txDropped };
    if (name === DEFAULT_INTERFACE) usages.unshift(usage);
    else usages.push(usage);
  }
  return usages.slice(0, MOST_INTERFACES);
}
