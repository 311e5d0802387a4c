import { AT_EMPTY_PATH, type Kernel, MNT_DETACH, mountsBelow, O_RDONLY, OPEN_TREE_CLONE } from "../../sys/mod.ts";

/**
 * Runs `use` while the mounts at `paths` are shown a second time below `folder`, under the same last names, with the IDs of
 * the user namespace pinned at `userns`. An overlay that is made of them meanwhile keeps copies of its own, so the shown
 * ones go again at once. Synchronous from end to end: two pods with the same layer never meet in the folder.
 */
export function withIdmapped(
  kernel: Kernel,
  folder: string,
  paths: string[],
  userns: string,
  use: (shown: string[]) => void,
): void {
  const namespace = kernel.open(userns, O_RDONLY);
  const shown: string[] = [];
  try {
    for (const path of paths) {
      const target = folder + path.slice(path.lastIndexOf("/"));
      kernel.mkdirs(target, 0o700);
      const clone = kernel.openTree(path, OPEN_TREE_CLONE);
      try {
        kernel.mountSetattr(clone, "", AT_EMPTY_PATH, { userns: namespace });
        // Overlayfs takes layers that are mounted nowhere only since Linux 6.15.
        kernel.moveMount(clone, target);
        shown.push(target);
      } finally {
        kernel.close(clone);
      }
    }
    use(shown);
  } finally {
    kernel.close(namespace);
    for (const target of shown) hide(kernel, target);
  }
}

/** What a process that died in the middle of {@link withIdmapped} has left. */
export function hideIdmapped(kernel: Kernel, folder: string): void {
  if (!kernel.exists(folder)) return;
  for (const { mountPoint } of mountsBelow(folder, kernel)) kernel.umountNow(mountPoint, MNT_DETACH);
  for (const { name } of kernel.readDirectory(folder)) kernel.rmdir(`${folder}/${name}`);
}

function hide(kernel: Kernel, target: string): void {
  kernel.umountNow(target, MNT_DETACH);
  kernel.rmdir(target);
}
