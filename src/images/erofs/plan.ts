import type { ByteString } from "../tar/entry.ts";
import { BLOCK_SIZE, type DirectoryEntry, packDirectory, SLOT } from "./directory.ts";
import { type Inode, S_IFDIR, S_IFLNK } from "./inode.ts";
import { type StoredXattr, storedXattrs, xattrArea } from "./xattrs.ts";

export const INODE_LENGTH = 64;

/** Characters of all paths of one list together; they are kept with the layer. */
const MAX_LIST_LENGTH = 4 << 20;

/** Where one inode and what belongs to it goes. Offsets count from the start of the metadata. */
export interface PlannedInode {
  inode: Inode;
  offset: number;
  links: number;
  xattrs: StoredXattr[];
  xattrBytes: number;
  /** Of a directory, and of a symlink that does not fit behind its inode. */
  dataOffset: number;
  size: number;
  inlineTarget: boolean;
  blocks: DirectoryEntry[][];
}

export interface Plan {
  inodes: PlannedInode[];
  /** Bytes of inodes with what lies behind them. */
  inodeBytes: number;
  /** All metadata bytes. */
  totalBytes: number;
  /** Directories without entries of their own whose names are valid UTF-8; "" is the root. */
  impliedDirectories: string[];
  /** Directories that hold whiteouts. */
  whiteoutDirectories: string[];
}

/** Lays out every inode breadth first, the root first, then the data of directories and long symlinks. */
export function planImage(root: Inode): Plan {
  const planned = new Map<Inode, PlannedInode>();
  const inodes: PlannedInode[] = [];
  const impliedDirectories = new PathList();
  const whiteoutDirectories = new PathList();
  let offset = 0;

  const place = (inode: Inode): PlannedInode => {
    const entry = plan(inode, offset);
    offset = entry.offset + INODE_LENGTH + entry.xattrBytes + (entry.inlineTarget ? entry.size : 0);
    planned.set(inode, entry);
    inodes.push(entry);
    return entry;
  };
  const queue: { entry: PlannedInode; parent: PlannedInode; path: string | undefined }[] = [];
  const top = place(root);
  queue.push({ entry: top, parent: top, path: "" });

  for (const { entry, parent, path } of queue) {
    const { inode } = entry;
    if (inode.implied) impliedDirectories.add(path);
    if (!inode.opaque && inode.children!.values().some((child) => child.isWhiteout)) whiteoutDirectories.add(path);
    entry.links = 2;
    const entries: DirectoryEntry[] = [{ name: ".", target: entry }, { name: "..", target: parent }];
    for (const [name, child] of inode.children!) {
      const childEntry = planned.get(child) ?? place(child);
      childEntry.links++;
      entries.push({ name, target: childEntry });
      if (child.type !== S_IFDIR) continue;
      entry.links++;
      queue.push({ entry: childEntry, parent: entry, path: joinUtf8(path, name) });
    }
    const { blocks, size } = packDirectory(entries);
    entry.blocks = blocks;
    entry.size = size;
  }

  const inodeBytes = align(offset, BLOCK_SIZE);
  let data = inodeBytes;
  for (const entry of inodes) {
    if (entry.blocks.length === 0 && (entry.inode.type !== S_IFLNK || entry.inlineTarget)) continue;
    entry.dataOffset = data;
    data = align(data + entry.size, BLOCK_SIZE);
  }
  return {
    inodes,
    inodeBytes,
    totalBytes: data,
    impliedDirectories: impliedDirectories.paths,
    whiteoutDirectories: whiteoutDirectories.paths,
  };
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

function plan(inode: Inode, from: number): PlannedInode {
  const xattrs = storedXattrs(inode);
  const xattrBytes = xattrArea(xattrs);
  const isSymlink = inode.type === S_IFLNK;
  const size = isSymlink ? inode.target.length : inode.size;
  let offset = align(from, SLOT);
  let inlineTarget = false;
  if (isSymlink) {
    // The kernel refuses a target that crosses a block: move on to where it does not, if such a place exists.
    const start = (offset + INODE_LENGTH + xattrBytes) % BLOCK_SIZE;
    if (start + size <= BLOCK_SIZE) {
      inlineTarget = true;
    } else {
      const moved = align(offset + BLOCK_SIZE - start, SLOT);
      inlineTarget = (moved + INODE_LENGTH + xattrBytes) % BLOCK_SIZE + size <= BLOCK_SIZE;
      if (inlineTarget) offset = moved;
    }
  }
  return { inode, offset, links: 0, xattrs, xattrBytes, dataOffset: 0, size, inlineTarget, blocks: [] };
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function joinUtf8(parent: string | undefined, name: ByteString): string | undefined {
  if (parent === undefined) return undefined;
  try {
    const text = utf8.decode(Uint8Array.from(name, (character) => character.charCodeAt(0)));
    return parent === "" ? text : `${parent}/${text}`;
  } catch {
    return undefined;
  }
}

export function align(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
