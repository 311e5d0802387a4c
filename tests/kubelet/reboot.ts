/**
 * The machine loses power and comes back, as far as that can be played: every process of the node dies, what the kernel
 * held is gone, /run is empty, the boot id is new. What is on disk stays. Control plane and registry are on other machines.
 */
import { killCgroup, removeCgroup } from "../support/cgroups.ts";
import type { TestNode } from "../support/node.ts";
import { newBootId } from "./machine.ts";

export interface RebootPlaces {
  /** Cgroups below the node's that go: pods, monitors, the daemon, the kubelet. */
  cgroups: string[];
  /** Folders in memory, emptied. */
  volatile: string[];
  /** What else was in memory. */
  sockets: string[];
  /** Folders on disk below which nothing is mounted after a start. */
  mounted: string[];
}

export async function losePower(node: TestNode, { cgroups, volatile, sockets, mounted }: RebootPlaces): Promise<void> {
  for (const name of cgroups) await killCgroup(`/${node.name}/${name}`);
  for (const name of cgroups) await removeCgroup(`/${node.name}/${name}`);
  const below = [...volatile, ...mounted].map((dir) => `-e '^${dir}/'`).join(" ");
  await node.holder.run(
    "sh",
    "-ec",
    `cut -d' ' -f5 /proc/self/mountinfo | grep ${below} -e '^/run/netns/' | sort -r | while read -r mount; do umount -l "$mount" || true; done
rm -rf /run/netns/* ${sockets.join(" ")}
for dir in ${volatile.join(" ")}; do rm -rf "$dir"/* "$dir"/.[!.]* 2>/dev/null; done || true
for link in $(ip -o link | cut -d' ' -f2 | cut -d: -f1 | cut -d@ -f1); do
  case $link in lo | node0 | node1) ;; *) ip link del "$link" 2>/dev/null || true ;; esac
done
nft flush ruleset 2>/dev/null || true
for table in nat filter mangle raw; do iptables -t $table -F; iptables -t $table -X; done 2>/dev/null || true
conntrack -F 2>/dev/null || true`,
  );
  await newBootId(node);
}
