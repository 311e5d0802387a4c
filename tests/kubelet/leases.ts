/** What the CNI plugin that hands out addresses has written down. */
import type { Cluster } from "./check.ts";

/** Addresses that are taken. */
export async function ipamLeases(cluster: Cluster): Promise<string[]> {
  const listed = await cluster.run(
    "find",
    `${cluster.dir}/leases`,
    "-type",
    "f",
    "-name",
    "*.*.*.*",
    "-printf",
    "%f\\n",
  );
  return listed.trim().split("\n").filter((name) => /^\d+\.\d+\.\d+\.\d+$/.test(name));
}
