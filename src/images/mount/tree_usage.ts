import {
  EFBIG,
  ELOOP,
  ENAMETOOLONG,
  ENOENT,
  ENOTDIR,
  isErrno,
  type Kernel,
  O_DIRECTORY,
  O_PATH,
  O_RDONLY,
  RESOLVE_BENEATH,
  RESOLVE_NO_SYMLINKS,
  RESOLVE_NO_XDEV,
} from "../../sys/mod.ts";

export interface TreeUsage {
  usedBytes: number;
  inodesUsed: number;
}

/** Milliseconds of work between two turns of the event loop. */
const SLICE = 4;
/** Entries read in one go; what a folder has beyond them is not counted. */
const MAX_ENTRIES = 20_000;
const RESOLVE = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;

/**
 * Disk space and inodes of a tree that its owner may be changing: each folder is opened from the top without following
 * anything, files with several names count once.
 */
export async function treeUsage(kernel: Kernel, path: string): Promise<TreeUsage> {
  const usage: TreeUsage = { usedBytes: 0, inodesUsed: 0 };
  const linked = new Set<bigint>();
  const top = kernel.open(path, O_RDONLY | O_DIRECTORY | O_PATH);
  let since = performance.now();
  try {
    const pending = ["."];
    for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
      for (const { name, type } of entriesOf(kernel, top, folder)) {
        if (performance.now() - since > SLICE) {
          await new Promise((resolve) => setTimeout(resolve, 0));
          since = performance.now();
        }
        if (type === "directory") pending.push(`${folder}/${name}`);
        else count(kernel, `/proc/self/fd/${top}/${folder}/${name}`, usage, linked);
      }
      count(kernel, `/proc/self/fd/${top}/${folder}`, usage, linked);
    }
  } finally {
    kernel.close(top);
  }
  return usage;
}

function entriesOf(kernel: Kernel, top: number, folder: string): ReturnType<Kernel["readDirectory"]> {
  let fd: number;
  try {
    fd = kernel.openat2(top, folder, { flags: O_RDONLY | O_DIRECTORY | O_PATH, resolve: RESOLVE });
  } catch (error) {
    if (isErrno(error, ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG)) return [];
    throw error;
  }
  try {
    return kernel.readDirectory(`/proc/self/fd/${fd}`, MAX_ENTRIES);
  } catch (error) {
    if (isErrno(error, ENOENT, EFBIG)) return [];
    throw error;
  } finally {
    kernel.close(fd);
  }
}

function count(kernel: Kernel, path: string, usage: TreeUsage, linked: Set<bigint>): void {
  try {
    const { ino, nlink, blocks, mode } = kernel.lstat(path);
    if (nlink > 1 && (mode & 0o170000) !== 0o040000) {
      if (linked.has(ino)) return;
      linked.add(ino);
    }
    usage.usedBytes += blocks * 512;
    usage.inodesUsed++;
  } catch (error) {
    // It went away, or its name is no UTF-8.
    if (!isErrno(error, ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG)) throw error;
  }
}
