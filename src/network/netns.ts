import {
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
import { NAMESPACE_FLAGS, type NamespaceKind, namespaceSetup, type PinOptions } from "./namespace_setup.ts";

/** Where new namespaces are pinned: absolute paths of files that are not there yet. */
export type PinPaths = { [Kind in NamespaceKind]?: string };

/** Lines of uid_map and gid_map: "inside outside count". */
export interface IdMaps {
  uid: string;
  gid: string;
}

const KINDS: NamespaceKind[] = ["net", "ipc", "uts"];

/** Pins that belong to this daemon. */
const NAME_PREFIX = "skiff-";
/** A path that was bound over by mistake is unmounted as often as this. */
const MAX_STACKED_MOUNTS = 16;

/**
 * Makes new namespaces and pins each with a bind mount at its path: `lo` up, host name and sysctls set. One synchronous
 * turn, about a millisecond. After a failure nothing of it is left. RpcError INVALID_ARGUMENT for a host name or sysctl
 * that is not a pod's, or whose namespace is not among the new ones.
 */
export function pinNamespaces(kernel: Kernel, paths: PinPaths, options: PinOptions = {}): void {
  const { kinds, flags } = wanted(paths);
  const setUp = namespaceSetup(kinds, options);
  if (kinds.length === 0) return;
  withMountPoints(kernel, kinds.map((kind) => paths[kind]!), () =>
    kernel.inNewNamespaces(flags, () => {
      setUp(kernel);
      for (const kind of kinds) pin(kernel, `/proc/thread-self/ns/${kind}`, paths[kind]!);
    }));
}

/**
 * As {@link pinNamespaces}, in a new user namespace that owns the others and is pinned, too. About two milliseconds.
 * Sysctls of the ipc namespace fail on kernels from 5.19 on, which let only the namespace's own root set them.
 */
export function pinUserNamespaces(
  kernel: Kernel,
  paths: PinPaths & { user: string },
  maps: IdMaps,
  options: PinOptions = {},
): void {
  const { kinds, flags } = wanted(paths);
  const setUp = namespaceSetup(kinds, options);
  withMountPoints(
    kernel,
    [paths.user, ...kinds.map((kind) => paths[kind]!)],
    () =>
      kernel.inUserNamespace(flags, maps.uid, maps.gid, (pid) => {
        const namespace = (kind: string) => `/proc/${pid}/ns/${kind}`;
        const entries = kinds.map((kind) => ({ path: namespace(kind), flag: NAMESPACE_FLAGS[kind] }));
        if (entries.length > 0) kernel.inNamespaces(entries, () => setUp(kernel));
        pin(kernel, namespace("user"), paths.user);
        for (const kind of kinds) pin(kernel, namespace(kind), paths[kind]!);
      }),
  );
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

/** As {@link unpin}, off the main thread: on a busy machine the kernel takes milliseconds for each. */
export async function unpinOffThread(kernel: Kernel, path: string): Promise<void> {
  for (let count = 0; count < MAX_STACKED_MOUNTS; count++) {
    try {
      await kernel.umount(path, MNT_DETACH | UMOUNT_NOFOLLOW);
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
    // No mount point yet.
    if (!isErrno(error, EINVAL)) throw error;
    kernel.mount(folder, folder, null, MS_BIND | MS_REC);
    kernel.mount("", folder, null, MS_SHARED | MS_REC);
  }
}

function wanted(paths: PinPaths): { kinds: NamespaceKind[]; flags: number } {
  const kinds = KINDS.filter((kind) => paths[kind] !== undefined);
  return { kinds, flags: kinds.reduce((flags, kind) => flags | NAMESPACE_FLAGS[kind], 0) };
}

function pin(kernel: Kernel, namespace: string, path: string): void {
  kernel.mount(namespace, path, null, MS_BIND);
}

/** Makes the files to mount on; where `action` fails they go again, with what was mounted. */
function withMountPoints(kernel: Kernel, paths: string[], action: () => void): void {
  const made: string[] = [];
  try {
    for (const path of paths) {
      kernel.mkdirs(path.slice(0, path.lastIndexOf("/")));
      kernel.close(kernel.open(path, O_CREAT | O_EXCL, 0));
      made.push(path);
    }
    action();
  } catch (error) {
    for (const path of made) unpin(kernel, path);
    throw error;
  }
}
