import { bytesOf, type ByteString } from "../tar/entry.ts";
import { BLOCK_SIZE, type DirectoryEntry, packDirectory, SLOT } from "./directory.ts";
import { type Inode, S_IFDIR, S_IFLNK } from "./inode.ts";
import { storedXattrs, xattrArea } from "./xattrs.ts";

export const INODE_LENGTH = 64;

/** Characters of all paths of one list together; they are kept with the layer. */
const MAX_LIST_LENGTH = 4 << 20;

/** Where everything goes; each inode knows its own place. Offsets count from the start of the metadata. */
export interface Plan {
  inodes: Inode[];
  /** Of these, in the same order. */
  directories: PlannedDirectory[];
  /** All metadata bytes. */
  totalBytes: number;
  /** Directories without entries of their own whose names are valid UTF-8; "" is the root. */
  impliedDirectories: string[];
  /** Directories that hold whiteouts. */
  whiteoutDirectories: string[];
}

export interface PlannedDirectory {
  inode: Inode;
  parent: Inode;
  /** Undefined where it is no UTF-8. */
  path: string | undefined;
}

/**
 * Lays out every inode breadth first, the root first, then the data of directories and long symlinks. Nothing is made for
 * an entry that lasts: a layer has hundreds of thousands.
 */
export function planImage(root: Inode): Plan {
  const inodes: Inode[] = [];
  const impliedDirectories = new PathList();
  const whiteoutDirectories = new PathList();
  let offset = 0;

  const place = (inode: Inode) => {
    offset = placeInode(inode, offset);
    inodes.push(inode);
  };
  place(root);
  const directories: PlannedDirectory[] = [{ inode: root, parent: root, path: "" }];
  for (const { inode, parent, path } of directories) {
    if (inode.implied) impliedDirectories.add(path);
    if (!inode.opaque && inode.children!.values().some((child) => child.isWhiteout)) whiteoutDirectories.add(path);
    inode.links = 2;
    for (const [name, child] of inode.children!) {
      if (child.offset < 0) place(child);
      child.links++;
      if (child.type !== S_IFDIR) continue;
      inode.links++;
      directories.push({ inode: child, parent: inode, path: joinUtf8(path, name) });
    }
    inode.size = packDirectory(directoryEntries(inode, parent)).size;
  }

  let data = align(offset, BLOCK_SIZE);
  for (const inode of inodes) {
    if (inode.type !== S_IFDIR && (inode.type !== S_IFLNK || inode.inlineTarget)) continue;
    inode.tailOffset = data;
    data = align(data + inode.size, BLOCK_SIZE);
  }
  return {
    inodes,
    directories,
    totalBytes: data,
    impliedDirectories: impliedDirectories.paths,
    whiteoutDirectories: whiteoutDirectories.paths,
  };
}

export function directoryEntries(inode: Inode, parent: Inode): DirectoryEntry[] {
  const entries: DirectoryEntry[] = [{ name: ".", target: inode }, { name: "..", target: parent }];
  for (const [name, target] of inode.children!) entries.push({ name, target });
  return entries;
}

class PathList {
  readonly paths: string[] = [];
  #length = 0;

  /** Undefined stands for a path that is no UTF-8: it could not be handed to the kernel as text. */
  add(path: string | undefined): void {
    if (path === undefined) return;
    this.paths.push(path);
    this.#length += path.length;
    if (this.#length > MAX_LIST_LENGTH) {
      throw new Error("the layer has too many directories without entries of their own, or with whiteouts");
    }
  }
}

/** Returns where the next one may begin. */
function placeInode(inode: Inode, from: number): number {
  inode.xattrBytes = xattrArea(storedXattrs(inode));
  inode.offset = align(from, SLOT);
  const end = () => inode.offset + INODE_LENGTH + inode.xattrBytes;
  if (inode.type !== S_IFLNK) return end();
  inode.size = inode.target.length;
  // The kernel refuses a target that crosses a block: move on to where it does not, if such a place exists.
  const start = end() % BLOCK_SIZE;
  if (start + inode.size <= BLOCK_SIZE) {
    inode.inlineTarget = true;
  } else {
    const moved = align(inode.offset + BLOCK_SIZE - start, SLOT);
    inode.inlineTarget = (moved + INODE_LENGTH + inode.xattrBytes) % BLOCK_SIZE + inode.size <= BLOCK_SIZE;
    if (inode.inlineTarget) inode.offset = moved;
  }
  return end() + (inode.inlineTarget ? inode.size : 0);
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function joinUtf8(parent: string | undefined, name: ByteString): string | undefined {
  if (parent === undefined) return undefined;
  try {
    const text = utf8.decode(bytesOf(name));
    return parent === "" ? text : `${parent}/${text}`;
  } catch {
    return undefined;
  }
}

export function align(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
