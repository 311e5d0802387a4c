import type { PodSandboxConfig } from "../../proto/gen/runtime/v1/api.ts";
import { NamespaceMode } from "../../proto/gen/runtime/v1/api.ts";
import type { UserNamespaceFacts } from "../oci/mod.ts";
import type { Kernel } from "../sys/kernel.ts";
import { Errno } from "../sys/kernel.ts";
import { ENOENT, MS_NODEV, MS_NOEXEC, MS_NOSUID } from "../sys/mod.ts";

/** As Docker and the field's runtimes have it, when the pod says nothing. */
const SHM_BYTES = 64 << 20;

/** resolv.conf of a pod: what the request says, or the node's own. */
export function resolvConf(kernel: Kernel, config: PodSandboxConfig): string {
  const dns = config.dnsConfig;
  if (!dns || (dns.servers.length === 0 && dns.searches.length === 0 && dns.options.length === 0)) {
    return readOrEmpty(kernel, "/etc/resolv.conf");
  }
  let text = "";
  if (dns.searches.length > 0) text += `search ${dns.searches.join(" ")}\n`;
  for (const server of dns.servers) text += `nameserver ${server}\n`;
  if (dns.options.length > 0) text += `options ${dns.options.join(" ")}\n`;
  return text;
}

/** hosts of a pod: the node's on the host network (the kubelet mounts its own over it anyway), else localhost and the pod itself. */
export function hosts(kernel: Kernel, config: PodSandboxConfig, hostname: string, ips: string[]): string {
  if (onHostNetwork(config)) return readOrEmpty(kernel, "/etc/hosts");
  const own = ips.map((ip) => `${ip}\t${hostname}\n`).join("");
  return `127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n${own}`;
}

/** Who root of the pod is on the node. */
export function rootOf(userns: UserNamespaceFacts | undefined): { uid: number; gid: number } {
  return { uid: userns?.uids.hostID ?? 0, gid: userns?.gids.hostID ?? 0 };
}

/** Mounts the pod's shared memory. */
export function mountShm(kernel: Kernel, path: string, { uid, gid }: { uid: number; gid: number }): void {
  kernel.mkdirs(path, 0o700);
  const options = `mode=1777,size=${SHM_BYTES},uid=${uid},gid=${gid}`;
  kernel.mount("shm", path, "tmpfs", MS_NOEXEC | MS_NOSUID | MS_NODEV, options);
}

export function onHostNetwork(config: PodSandboxConfig): boolean {
  return config.linux?.securityContext?.namespaceOptions?.network === NamespaceMode.NODE;
}
export function onHostIpc(config: PodSandboxConfig): boolean {
  return config.linux?.securityContext?.namespaceOptions?.ipc === NamespaceMode.NODE;
}
/** A pod whose containers share one pid namespace needs a process that holds it. */
export function sharesPidNamespace(config: PodSandboxConfig): boolean {
  return (config.linux?.securityContext?.namespaceOptions?.pid ?? NamespaceMode.POD) === NamespaceMode.POD;
}

function readOrEmpty(kernel: Kernel, path: string): string {
  try {
    return kernel.readText(path);
  } catch (error) {
    if (error instanceof Errno && error.code === ENOENT) return "";
    throw error;
  }
}
