import { parseNumber } from "./files.ts";
import type { InterfaceUsage } from "./types.ts";

/** Parses /proc/net/dev, leaving out `lo`: two heading lines, then a name, ":", 8 receive and 8 transmit counters each. */
export function parseNetDev(text: string): InterfaceUsage[] {
  const usages: InterfaceUsage[] = [];
  for (const line of text.split("\n").slice(2)) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).trim();
    if (colon < 0 || name === "lo") continue;
    const counters = line.slice(colon + 1).trim().split(/\s+/).map(parseNumber);
    if (counters.length < 16 || counters.includes(undefined)) continue;
    const [rxBytes, rxPackets, rxErrors, rxDropped, , , , , txBytes, txPackets, txErrors, txDropped] =
      counters as bigint[];
    usages.push({ name, rxBytes, rxPackets, rxErrors, rxDropped, txBytes, txPackets, txErrors, txDropped });
  }
  return usages;
}
