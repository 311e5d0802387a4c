import { Code, RpcError } from "../rpc/status.ts";
import { CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWUTS, type Kernel } from "../sys/mod.ts";
import { parseSysctl, type Sysctl } from "./sysctl.ts";

export interface PinOptions {
  /** Needs a uts namespace. */
  hostname?: string;
  /** By name; each needs the namespace that it belongs to. */
  sysctls?: Record<string, string>;
}

/** CLONE_* flag of each kind of namespace that a pod can have pinned. */
export const NAMESPACE_FLAGS = { net: CLONE_NEWNET, ipc: CLONE_NEWIPC, uts: CLONE_NEWUTS };
export type NamespaceKind = keyof typeof NAMESPACE_FLAGS;

/**
 * Checks what is wanted in new namespaces of these kinds, and returns what sets it up once the calling thread is inside.
 * RpcError INVALID_ARGUMENT for what is not a pod's to set, or belongs to a namespace that is not among the new ones.
 */
export function namespaceSetup(kinds: NamespaceKind[], options: PinOptions): (kernel: Kernel) => void {
  const { hostname } = options;
  if (hostname !== undefined) checkHostname(kinds, hostname);
  const sysctls = Object.entries(options.sysctls ?? {}).map(([name, value]) => checkedSysctl(kinds, name, value));
  return (kernel) => {
    if (kinds.includes("net")) kernel.setLoopbackUp();
    if (hostname !== undefined) kernel.writeControl("/proc/sys/kernel/hostname", hostname);
    for (const sysctl of sysctls) writeSysctl(kernel, sysctl);
  };
}

function checkHostname(kinds: NamespaceKind[], hostname: string): void {
  if (kinds.includes("uts") && /^[A-Za-z0-9_.-]{1,64}$/.test(hostname)) return;
  const why = kinds.includes("uts") ? "it is not a host name of up to 64 characters" : "the pod uses the node's";
  throw new RpcError(
    Code.INVALID_ARGUMENT,
    `Cannot set the host name ${JSON.stringify(hostname.slice(0, 100))}: ${why}`,
  );
}

function checkedSysctl(kinds: NamespaceKind[], name: string, value: string): Sysctl {
  const sysctl = parseSysctl(name, value);
  if (kinds.includes(sysctl.namespace)) return sysctl;
  throw new RpcError(
    Code.INVALID_ARGUMENT,
    `Cannot set sysctl ${name}: the pod uses the node's ${sysctl.namespace} namespace, so this would change the node`,
  );
}

function writeSysctl(kernel: Kernel, { name, path, value }: Sysctl): void {
  try {
    kernel.writeControl(path, value);
  } catch (error) {
    throw new RpcError(Code.INVALID_ARGUMENT, `Cannot set sysctl ${name} to ${JSON.stringify(value)}`, {
      cause: error,
    });
  }
}
