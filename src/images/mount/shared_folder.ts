import { EBUSY, EINVAL, ENOENT, isErrno, type Kernel, mountsBelow, MS_BIND, MS_SHARED } from "../../sys/mod.ts";

/**
 * Makes a folder a shared mount of its own, so that what is unmounted in it also goes from the mount namespaces that got a
 * copy. Returns the mount points that are in it already, from a life before.
 */
export function prepareSharedFolder(kernel: Kernel, folder: string): string[] {
  kernel.mkdirs(folder, 0o700);
  const mounts = mountsBelow(folder, kernel);
  if (!mounts.some(({ mountPoint }) => mountPoint === folder)) kernel.mount(folder, folder, null, MS_BIND);
  kernel.mount("none", folder, null, MS_SHARED);
  return mounts.map(({ mountPoint }) => mountPoint).filter((mountPoint) => mountPoint !== folder);
}

/** Takes the mount of {@link prepareSharedFolder} down again, unless something is mounted below it. */
export function releaseSharedFolder(kernel: Kernel, folder: string): void {
  try {
    kernel.umountNow(folder, 0);
  } catch (error) {
    if (!isErrno(error, EBUSY, EINVAL, ENOENT)) throw error;
  }
}
