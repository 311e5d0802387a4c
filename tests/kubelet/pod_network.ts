/** What the cluster's CNI configuration says, for the checks of the network. */
import type { Cluster } from "./check.ts";

export interface PodNetwork {
  /** First bytes of every pod's IPv4 address, with the dot after them. */
  prefix: string;
  /** Where host-local keeps a file for each address in use. */
  leases: string;
}

/** Reads the first conflist, as the runtime does. */
export async function podNetwork(cluster: Cluster): Promise<PodNetwork> {
  const text = await cluster.run("sh", "-c", 'cat "$(ls $0/*.conflist | head -n 1)"', cluster.cniConfig);
  const { name, plugins } = JSON.parse(text);
  const { ipam } = plugins.find((plugin: { ipam?: unknown }) => plugin.ipam !== undefined);
  const subnet: string = ipam.subnet ??
    ipam.ranges.flat().find((range: { subnet: string }) => range.subnet.includes(".")).subnet;
  return {
    prefix: subnet.split(".").slice(0, 3).join(".") + ".",
    leases: `${ipam.dataDir ?? "/var/lib/cni/networks"}/${name}`,
  };
}

/** Serves files and the client's address over HTTP on a port: the command of a busybox container. */
export function web(port: number, text = "$(hostname)"): string[] {
  // An IPv4 client of its socket for both families is [::ffff:1.2.3.4].
  const address = "#!/bin/sh\\necho; address=${REMOTE_ADDR#*ffff:}; echo ${address%%]}\\n";
  return [
    "sh",
    "-c",
    `mkdir -p /tmp/www/cgi-bin; echo "${text}" >/tmp/www/index.html; printf '${address}' >/tmp/www/cgi-bin/client; chmod +x /tmp/www/cgi-bin/client; exec httpd -f -p ${port} -h /tmp/www`,
  ];
}

/** Tells the kubelet when {@link web} serves. */
export const webReady = (port: number) => ({
  readinessProbe: { httpGet: { port, path: "/" }, periodSeconds: 1 },
  ports: [{ containerPort: port }],
});
