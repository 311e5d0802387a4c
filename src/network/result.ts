import { isAddress } from "./address.ts";
import { isObject } from "./conflist.ts";

/** The result is stored with the pod and read back whole: a plugin must not make it huge. */
export const MAX_RESULT_BYTES = 256 << 10;
const MAX_ADDRESSES = 64;

/**
 * Addresses of a pod in a plugin's result, the primary first, without prefix length. Those of `ifname` only, where
 * the result says which interface has which. Reads every result version (0.1.0: `ip4`, `ip6`; later: `ips`).
 * Throws an Error whose message says what is wrong with the result.
 */
export function addressesOf(result: unknown, ifname: string): string[] {
  if (!isObject(result)) throw new Error("the result is not a JSON object");
  const entries = Array.isArray(result.ips) ? result.ips : oldEntries(result);
  if (entries.length > MAX_ADDRESSES) throw new Error(`the result has ${entries.length} addresses`);
  const interfaces = Array.isArray(result.interfaces) ? result.interfaces : [];
  const own: string[] = [];
  const others: string[] = [];
  for (const entry of entries) {
    if (!isObject(entry)) throw new Error('an entry of "ips" in the result is not a JSON object');
    const address = withoutPrefix(entry.address);
    const holder = typeof entry.interface === "number" ? interfaces[entry.interface] : undefined;
    (isObject(holder) && holder.name !== ifname ? others : own).push(address);
  }
  return [...new Set(own.length > 0 ? own : others)];
}

function oldEntries(result: Record<string, unknown>): unknown[] {
  return [result.ip4, result.ip6].filter(isObject).map((entry) => ({ address: entry.ip }));
}

function withoutPrefix(address: unknown): string {
  if (typeof address === "string" && address.length <= 64) {
    const [ip, prefix, ...more] = address.split("/");
    if (isAddress(ip) && more.length === 0 && (prefix === undefined || prefixFits(prefix, ip))) return ip;
  }
  throw new Error(`the result has an invalid address ${String(JSON.stringify(address)).slice(0, 80)}`);
}

function prefixFits(prefix: string, ip: string): boolean {
  return /^[0-9]{1,3}$/.test(prefix) && Number(prefix) <= (ip.includes(":") ? 128 : 32);
}
