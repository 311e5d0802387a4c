import { type ByteString, byteString } from "../tar/entry.ts";
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG } from "./inode.ts";

/** Bytes of a block of these images: a tar's own, so file data can stay where the tar has it. */
export const BLOCK_SIZE = 512;
const DIRENT_LENGTH = 12;

/** A node ID counts in these from the start of the metadata. */
export const SLOT = 32;

export interface DirectoryEntry {
  name: ByteString;
  /** Its offset counts from the start of the metadata. */
  target: { offset: number; type: number };
}

/** Names of each block of a directory: entries sorted by bytes over the whole directory, none across a block's end. */
export function packDirectory(entries: DirectoryEntry[]): { blocks: DirectoryEntry[][]; size: number } {
  entries.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  const blocks: DirectoryEntry[][] = [];
  let block: DirectoryEntry[] = [];
  let used = 0;
  for (const entry of entries) {
    const length = DIRENT_LENGTH + entry.name.length;
    if (used + length > BLOCK_SIZE) {
      blocks.push(block);
      block = [];
      used = 0;
    }
    block.push(entry);
    used += length;
  }
  blocks.push(block);
  return { blocks, size: (blocks.length - 1) * BLOCK_SIZE + used };
}

export function writeDirectoryBlock(entries: DirectoryEntry[], bytes: Uint8Array, offset: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  let nameOffset = entries.length * DIRENT_LENGTH;
  let at = offset;
  for (const entry of entries) {
    view.setBigUint64(at, BigInt(entry.target.offset / SLOT), true);
    view.setUint16(at + 8, nameOffset, true);
    view.setUint8(at + 10, fileType(entry.target.type));
    for (let i = 0; i < entry.name.length; i++) bytes[offset + nameOffset + i] = entry.name.charCodeAt(i);
    nameOffset += entry.name.length;
    at += DIRENT_LENGTH;
  }
}

/** The opposite of {@link writeDirectoryBlock}; `bytes` is one block, or what the directory has of its last one. */
export function readDirectoryBlock(bytes: Uint8Array): { name: ByteString; node: number }[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const namesAt = bytes.length < DIRENT_LENGTH ? 0 : view.getUint16(8, true);
  if (namesAt === 0 || namesAt % DIRENT_LENGTH !== 0 || namesAt > bytes.length) {
    throw new Error("a directory's block does not say how many names it has");
  }
  const nameOffset = (index: number) => view.getUint16(index * DIRENT_LENGTH + 8, true);
  const entries: { name: ByteString; node: number }[] = [];
  const count = namesAt / DIRENT_LENGTH;
  for (let index = 0; index < count; index++) {
    const start = nameOffset(index);
    const end = index + 1 < count ? nameOffset(index + 1) : bytes.length;
    if (start > end || end > bytes.length) throw new Error("a name in a directory lies outside its block");
    const name = byteString(bytes.subarray(start, end));
    // The last one may be followed by zeros up to the block's end.
    const node = Number(view.getBigUint64(index * DIRENT_LENGTH, true));
    entries.push({ name: index + 1 < count ? name : name.replace(/\0+$/, ""), node });
  }
  return entries;
}

/** EROFS_FT_*, the same numbers as ext4's. */
function fileType(type: number): number {
  switch (type) {
    case S_IFREG:
      return 1;
    case S_IFDIR:
      return 2;
    case S_IFCHR:
      return 3;
    case S_IFBLK:
      return 4;
    case S_IFIFO:
      return 5;
    case S_IFLNK:
      return 7;
    default:
      return 0;
  }
}
