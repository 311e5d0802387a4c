import { Code, RpcError } from "../rpc/status.ts";
import {
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWUTS,
  EINVAL,
  ENOENT,
  Errno,
  isErrno,
  type Kernel,
  MNT_DETACH,
  MS_BIND,
  MS_REC,
  MS_SHARED,
  NSFS_MAGIC,
  O_CREAT,
  O_EXCL,
  UMOUNT_NOFOLLOW,
} from "../sys/mod.ts";
import { parseSysctl, type Sysctl } from "./sysctl.ts";

/** Where new namespaces are pinned: absolute paths of files that are not there yet. */
export interface PinPaths {
  net?: string;
  ipc?: string;
  uts?: string;
}

export interface PinOptions {
  /** Needs a uts namespace. */
  hostname?: string;
  /** By name; each needs the namespace that it belongs to. */
  sysctls?: Record<string, string>;
}

const FLAGS = { net: CLONE_NEWNET, ipc: CLONE_NEWIPC, uts: CLONE_NEWUTS };
type Kind = keyof typeof FLAGS;
const KINDS: Kind[] = ["net", "ipc", "uts"];

/** Pins that belong to this daemon. */
const NAME_PREFIX = "skiff-";
/** A path that was bound over by mistake is unmounted as often as this. */
const MAX_STACKED_MOUNTS = 16;

/**
 * Makes new namespaces and pins each with a bind mount at its path: `lo` up, host name and sysctls set. One synchronous
 * turn, about a millisecond. After a failure nothing of it is left. RpcError INVALID_ARGUMENT for a sysctl that is not
 * a pod's, or whose namespace is not among the new ones.
 */
export function pinNamespaces(kernel: Kernel, paths: PinPaths, options: PinOptions = {}): void {
  const kinds = KINDS.filter((kind) => paths[kind] !== undefined);
  if (kinds.length === 0) return;
  const sysctls = checkedSysctls(kinds, options.sysctls ?? {});
  if (options.hostname !== undefined) checkHostname(kinds, options.hostname);
  const made: string[] = [];
  try {
    for (const kind of kinds) {
      createMountPoint(kernel, paths[kind]!);
      made.push(paths[kind]!);
    }
    kernel.inNewNamespaces(kinds.reduce((flags, kind) => flags | FLAGS[kind], 0), () => {
      if (paths.net !== undefined) kernel.setLoopbackUp();
      if (options.hostname !== undefined) kernel.writeControl("/proc/sys/kernel/hostname", options.hostname);
      for (const sysctl of sysctls) writeSysctl(kernel, sysctl);
      for (const kind of kinds) kernel.mount(`/proc/thread-self/ns/${kind}`, paths[kind]!, null, MS_BIND);
    });
  } catch (error) {
    for (const path of made) unpin(kernel, path);
    throw error;
  }
}

/** Removes a pin and its file; what is not there, or not mounted, is fine. The namespace lives on while a process is in it. */
export function unpin(kernel: Kernel, path: string): void {
  for (let count = 0; count < MAX_STACKED_MOUNTS; count++) {
    try {
      kernel.umountNow(path, MNT_DETACH | UMOUNT_NOFOLLOW);
    } catch (error) {
      if (isErrno(error, EINVAL, ENOENT)) break;
      throw error;
    }
  }
  kernel.unlinkIfExists(path);
}

/** True where a namespace is pinned at this path: the file alone, as after a crash between the two, is none. */
export function isPinned(kernel: Kernel, path: string): boolean {
  try {
    return path !== "" && kernel.statfs(path).type === NSFS_MAGIC;
  } catch (error) {
    if (error instanceof Errno) return false;
    throw error;
  }
}

/** Names in `folder` that this daemon gave, sorted: `skiff-<id>`. */
export function listPinned(kernel: Kernel, folder: string): string[] {
  if (!kernel.exists(folder)) return [];
  return kernel.readDirectory(folder).map(({ name }) => name).filter((name) => name.startsWith(NAME_PREFIX)).sort();
}

/**
 * Makes the folder for network namespaces as `ip netns add` does: a shared mount on itself, so that pins made here are
 * seen in the mount namespaces of CNI daemons, and their removal too. Repeatable.
 */
export function prepareNetnsFolder(kernel: Kernel, folder: string): void {
  kernel.mkdirs(folder, 0o755);
  try {
    kernel.mount("", folder, null, MS_SHARED | MS_REC);
  } catch (error) {
    // EINVAL: no mount point yet.
    if (!isErrno(error, EINVAL)) throw error;
    kernel.mount(folder, folder, null, MS_BIND | MS_REC);
    kernel.mount("", folder, null, MS_SHARED | MS_REC);
  }
}

function createMountPoint(kernel: Kernel, path: string): void {
  kernel.mkdirs(path.slice(0, path.lastIndexOf("/")), 0o755);
  kernel.close(kernel.open(path, O_CREAT | O_EXCL, 0));
}

function checkedSysctls(kinds: Kind[], sysctls: Record<string, string>): Sysctl[] {
  return Object.entries(sysctls).map(([name, value]) => {
    const sysctl = parseSysctl(name, value);
    if (!kinds.includes(sysctl.namespace)) {
      throw new RpcError(
        Code.INVALID_ARGUMENT,
        `Cannot set sysctl ${name}: the pod uses the node's ${sysctl.namespace} namespace, so this would change the node`,
      );
    }
    return sysctl;
  });
}

function checkHostname(kinds: Kind[], hostname: string): void {
  if (kinds.includes("uts") && /^[A-Za-z0-9_.-]{1,64}$/.test(hostname)) return;
  const why = kinds.includes("uts") ? "it is not a host name of up to 64 characters" : "the pod uses the node's";
  throw new RpcError(
    Code.INVALID_ARGUMENT,
    `Cannot set the host name ${JSON.stringify(hostname.slice(0, 100))}: ${why}`,
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
