import { Code, RpcError } from "../rpc/status.ts";

/** The namespace that a sysctl belongs to. */
export type SysctlNamespace = "net" | "ipc";

export interface Sysctl {
  name: string;
  /** Below /proc/sys. */
  path: string;
  value: string;
  namespace: SysctlNamespace;
}

const MAX_VALUE_LENGTH = 4096;

/** Checks a sysctl of a pod: only one that has a value per namespace, never the node's. RpcError INVALID_ARGUMENT for others. */
export function parseSysctl(name: string, value: string): Sysctl {
  const segments = segmentsOf(name);
  if (segments === undefined) throw refused(name, "it is not a sysctl name");
  const namespace = namespaceOf(segments);
  if (namespace === undefined) {
    throw refused(
      name,
      "it is the node's, not a pod's; net.*, kernel.shm*, kernel.msg*, kernel.sem and fs.mqueue.* are",
    );
  }
  // deno-lint-ignore no-control-regex
  if (value.length > MAX_VALUE_LENGTH || /[\x00-\x08\x0a-\x1f\x7f]/.test(value)) {
    throw refused(name, "its value has control characters, or is too long");
  }
  return { name, path: `/proc/sys/${segments.join("/")}`, value, namespace };
}

/** As sysctl(8): the first separator tells whether "." or "/" divides; the other one stands for itself, the other way round. */
function segmentsOf(name: string): string[] | undefined {
  if (name.length > 256 || !/^[A-Za-z0-9][A-Za-z0-9_.:@/-]*$/.test(name)) return undefined;
  const separator = /[./]/.exec(name)?.[0];
  const segments = separator === "." ? name.split(".").map((segment) => segment.replaceAll("/", ".")) : name.split("/");
  const odd = segments.some((segment) => segment === "" || segment === "." || segment === "..");
  return segments.length < 2 || odd ? undefined : segments;
}

function namespaceOf([top, ...rest]: string[]): SysctlNamespace | undefined {
  if (top === "net") return "net";
  if (top === "fs" && rest[0] === "mqueue" && rest.length === 2) return "ipc";
  if (top === "kernel" && rest.length === 1 && (/^(shm|msg)/.test(rest[0]) || rest[0] === "sem")) return "ipc";
  return undefined;
}

function refused(name: string, reason: string): RpcError {
  return new RpcError(
    Code.INVALID_ARGUMENT,
    `Cannot set sysctl ${JSON.stringify(name.slice(0, 256))} in a pod: ${reason}`,
  );
}
