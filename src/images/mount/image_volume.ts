import { Code, RpcError } from "../../rpc/status.ts";
import {
  EAGAIN,
  ELOOP,
  ENAMETOOLONG,
  ENOENT,
  ENOTDIR,
  isErrno,
  type Kernel,
  MS_BIND,
  O_PATH,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  S_IFDIR,
  S_IFMT,
  S_IFREG,
} from "../../sys/mod.ts";

/** openat2 gives EAGAIN when something is renamed anywhere while it walks. */
const ATTEMPTS = 16;

/**
 * Mounts a file or folder of the tree at `base` at `target`, which is made. Symlinks of the tree lead to places inside it
 * only. RpcError NOT_FOUND when it is not there, INVALID_ARGUMENT for what is neither file nor folder.
 */
export function bindSubPath(kernel: Kernel, base: string, subPath: string, target: string): void {
  const fd = openBelow(kernel, base, subPath);
  try {
    const kind = kernel.fstat(fd).mode & S_IFMT;
    if (kind === S_IFDIR) kernel.mkdirs(target, 0o700);
    else if (kind === S_IFREG) kernel.writeFile(target, "");
    else {
      throw new RpcError(
        Code.INVALID_ARGUMENT,
        `image_sub_path ${JSON.stringify(subPath)}: it is neither a file nor a folder`,
      );
    }
    // By the descriptor: nobody can change what the path means between the look and the mount.
    kernel.mount(`/proc/self/fd/${fd}`, target, null, MS_BIND);
  } finally {
    kernel.close(fd);
  }
}

function openBelow(kernel: Kernel, base: string, subPath: string): number {
  const root = kernel.open(base, O_PATH);
  try {
    for (let attempt = 1;; attempt++) {
      try {
        return kernel.openat2(root, subPath, { flags: O_PATH, resolve: RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS });
      } catch (cause) {
        if (isErrno(cause, EAGAIN) && attempt < ATTEMPTS) continue;
        if (!isErrno(cause, ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG)) throw cause;
        throw new RpcError(
          Code.NOT_FOUND,
          `image_sub_path ${JSON.stringify(subPath)}: the image has no such file or folder`,
          { cause },
        );
      }
    }
  } finally {
    kernel.close(root);
  }
}
