/** Things on the node that belong to no pod and no container that the runtime knows: what a crash or a race has left. */
import { tools } from "../support/tools.ts";
import type { Cluster } from "./check.ts";

interface Known {
  sandboxes: Set<string>;
  containers: Set<string>;
}

async function listed(cluster: Cluster, ...args: string[]): Promise<{ id: string }[]> {
  const endpoint = `unix://${cluster.socket}`;
  const text = await cluster.run(tools.crictl, "--runtime-endpoint", endpoint, "--timeout", "30s", ...args);
  const { items = [], containers = [] } = JSON.parse(text);
  return [...items, ...containers];
}

async function known(cluster: Cluster): Promise<Known> {
  return {
    sandboxes: new Set((await listed(cluster, "pods", "-o", "json")).map(({ id }) => id)),
    containers: new Set((await listed(cluster, "ps", "-a", "-o", "json")).map(({ id }) => id)),
  };
}

/** Every 64-digit ID in the text that neither a pod nor a container has. */
function strangers(text: string, { sandboxes, containers }: Known): string[] {
  const ids = text.match(/(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])/g) ?? [];
  return [...new Set(ids)].filter((id) => !sandboxes.has(id) && !containers.has(id));
}

/**
 * One line for each: monitors by their command lines, mounts, pinned namespaces, cgroups, address leases, network
 * interfaces by their number. What is on its way (a pod that is being made) shows up, too: ask when the node is at rest.
 */
export async function unowned(cluster: Cluster): Promise<string[]> {
  const ids = await known(cluster);
  const script: Record<string, string> = {
    process:
      `for dir in /proc/[0-9]*; do tr '\\0' ' ' <$dir/cmdline 2>/dev/null; echo; done | grep -e ' --cid ' | grep -F -e ${cluster.dir}/ || true`,
    mount: `cut -d' ' -f5 /proc/self/mountinfo | grep -e '^${cluster.runtimeRoot}' -e '^${cluster.dir}' || true`,
    namespace: "ls /run/netns",
    cgroup: `find /sys/fs/cgroup -type d -path '*${cluster.podsCgroup}/*' -printf '%f\\n'`,
    lease: `cat ${cluster.dir}/leases/*/*.*.*.* 2>/dev/null || true`,
  };
  const found: string[] = [];
  for (const [kind, text] of Object.entries(script)) {
    const output = await cluster.run("sh", "-c", text);
    // Layers are mounted by their digests, which are no IDs of pods or containers.
    const lines = output.split("\n").filter((line) => !/\/layers\//.test(line));
    found.push(...strangers(lines.join("\n"), ids).map((id) => `${kind} of ${id}`));
  }
  const pinned = (await cluster.run("sh", "-c", "ls /run/netns | wc -l")).trim();
  const veths = (await cluster.run("sh", "-c", "ip -o link show type veth | grep -c -e '^[0-9]*: veth' || true"))
    .trim();
  if (Number(veths) > Number(pinned)) found.push(`${veths} pod interfaces for ${pinned} network namespaces`);
  return found;
}
