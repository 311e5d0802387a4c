import { BLOCK_SIZE, packDirectory, SLOT, writeDirectoryBlock } from "./directory.ts";
import { type Inode, S_IFBLK, S_IFCHR, S_IFDIR, S_IFLNK, S_IFREG } from "./inode.ts";
import { align, directoryEntries, INODE_LENGTH, type Plan, planImage, type PlannedDirectory } from "./plan.ts";
import { storedXattrs, writeXattrs, xattrCount } from "./xattrs.ts";

/** Where an image is written to. Both move all bytes or throw. */
export interface ImageOutput {
  write(bytes: Uint8Array, offset: number): void;
  read(into: Uint8Array, offset: number): void;
}

export interface WrittenImage {
  /** Of the image file, in bytes. */
  length: number;
  /** Directories that no entry describes; "" is the root. */
  impliedDirectories: string[];
  /** Directories that hold whiteouts and do not hide the lower ones anyway. */
  whiteoutDirectories: string[];
}

/** The superblock's place: the tar, or the metadata where there is none, follows. */
export const SUPERBLOCK_AREA = 4096;

export const SUPERBLOCK_OFFSET = 1024;
export const MAGIC = 0xe0f5e1e2;
const PAGE = 4096;
const MAX_BLOCKS = 2 ** 32 - 1;
const FLUSH_AT = 1 << 20;

// i_format: bit 0 says that the inode is an extended one, the layout follows.
export const EXTENDED = 1;
export const LAYOUT_PLAIN = 0 << 1;
export const LAYOUT_INLINE = 2 << 1;

/**
 * Writes everything but the file data that already lies in the image file, then the superblock: before that the file
 * is no image. Format: https://docs.kernel.org/filesystems/erofs.html and fs/erofs/erofs_fs.h
 *
 * @param dataEnd end of what is in the file already; at least SUPERBLOCK_AREA.
 * @param uuid 16 bytes, the same for the same content.
 */
export function writeImage(
  root: Inode,
  output: ImageOutput,
  dataEnd: number,
  uuid: Uint8Array,
): WrittenImage {
  const plan = planImage(root);
  const metadata = align(expandSparse(plan, output, dataEnd), PAGE);
  const length = align(metadata + plan.totalBytes, PAGE);
  if (length / BLOCK_SIZE > MAX_BLOCKS) throw new Error(`an image of ${length} bytes is over EROFS's limit of 2 TiB`);

  const writer = new SequentialWriter(output, metadata);
  plan.inodes.forEach((inode, index) => {
    const length = INODE_LENGTH + inode.xattrBytes + (inode.inlineTarget ? inode.size : 0);
    writeInode(inode, index + 1, metadata, writer.reserve(inode.offset, length));
  });
  const directories = plan.directories.values();
  for (const inode of plan.inodes) {
    if (inode.type === S_IFDIR) writeDirectory(directories.next().value!, writer);
    else if (inode.type === S_IFLNK && !inode.inlineTarget) {
      writeTarget(inode, writer.reserve(inode.tailOffset, inode.size), 0);
    }
  }
  writer.finish(length - metadata);
  output.write(superblock(plan, metadata, length, uuid), 0);
  const { impliedDirectories, whiteoutDirectories } = plan;
  return { length, impliedDirectories, whiteoutDirectories };
}

/** Gives every sparse file a place of its own behind the tar; what is not written there reads as zeros. Returns the new end. */
function expandSparse(plan: Plan, output: ImageOutput, dataEnd: number): number {
  let end = dataEnd;
  const buffer = new Uint8Array(1 << 18);
  for (const inode of plan.inodes) {
    if (!inode.segments) continue;
    const place = align(end, BLOCK_SIZE);
    let from = inode.dataOffset;
    for (let i = 0; i < inode.segments.length; i += 2) {
      const [offset, length] = [inode.segments[i], inode.segments[i + 1]];
      for (let done = 0; done < length;) {
        const part = buffer.subarray(0, Math.min(buffer.length, length - done));
        output.read(part, from);
        output.write(part, place + offset + done);
        done += part.length;
        from += part.length;
      }
    }
    inode.dataOffset = place;
    inode.segments = undefined;
    end = place + inode.size;
  }
  return end;
}

function writeInode(inode: Inode, number: number, metadata: number, bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  view.setUint16(0, EXTENDED | (inode.inlineTarget ? LAYOUT_INLINE : LAYOUT_PLAIN), true);
  view.setUint16(2, xattrCount(inode.xattrBytes), true);
  view.setUint16(4, inode.mode, true);
  view.setBigUint64(8, BigInt(inode.size), true);
  view.setUint32(16, location(inode, metadata), true);
  view.setUint32(20, number, true);
  view.setUint32(24, inode.uid, true);
  view.setUint32(28, inode.gid, true);
  view.setBigInt64(32, BigInt(inode.mtimeSeconds), true);
  view.setUint32(40, inode.mtimeNanoseconds, true);
  view.setUint32(44, inode.links, true);
  if (inode.xattrBytes > 0) writeXattrs(storedXattrs(inode), bytes, INODE_LENGTH);
  if (inode.inlineTarget) writeTarget(inode, bytes, INODE_LENGTH + inode.xattrBytes);
}

/** i_u: the first block of the data, or a device's number. */
function location(inode: Inode, metadata: number): number {
  switch (inode.type) {
    case S_IFCHR:
    case S_IFBLK:
      return ((inode.minor & 0xff) | (inode.major << 8) | ((inode.minor & ~0xff) << 12)) >>> 0;
    case S_IFREG:
      return inode.size === 0 ? 0 : inode.dataOffset / BLOCK_SIZE;
    default:
      return inode.inlineTarget || inode.tailOffset === 0 ? 0 : (metadata + inode.tailOffset) / BLOCK_SIZE;
  }
}

function writeDirectory({ inode, parent }: PlannedDirectory, writer: SequentialWriter): void {
  packDirectory(directoryEntries(inode, parent)).blocks.forEach((names, index) => {
    writeDirectoryBlock(names, writer.reserve(inode.tailOffset + index * BLOCK_SIZE, BLOCK_SIZE), 0);
  });
}

function writeTarget(inode: Inode, bytes: Uint8Array, offset: number): void {
  for (let i = 0; i < inode.target.length; i++) bytes[offset + i] = inode.target.charCodeAt(i);
}

function superblock(plan: Plan, metadata: number, length: number, uuid: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(SUPERBLOCK_AREA);
  const view = new DataView(bytes.buffer, SUPERBLOCK_OFFSET);
  view.setUint32(0, MAGIC, true);
  view.setUint8(12, Math.log2(BLOCK_SIZE));
  view.setUint16(14, plan.inodes[0].offset / SLOT, true);
  view.setBigUint64(16, BigInt(plan.inodes.length), true);
  view.setUint32(36, length / BLOCK_SIZE, true);
  view.setUint32(40, metadata / BLOCK_SIZE, true);
  bytes.set(uuid, SUPERBLOCK_OFFSET + 48);
  return bytes;
}

/** Collects writes at rising offsets into large ones. Gaps are zeros. */
class SequentialWriter {
  #output: ImageOutput;
  #base: number;
  #buffer = new Uint8Array(FLUSH_AT);
  /** Offset of the buffer's first byte. */
  #start = 0;
  #used = 0;

  constructor(output: ImageOutput, base: number) {
    this.#output = output;
    this.#base = base;
  }

  /** Zeroed bytes to be filled in before the next call. */
  reserve(offset: number, length: number): Uint8Array {
    const end = offset + length - this.#start;
    if (end > this.#buffer.length) {
      this.#flush();
      this.#start = offset;
      if (length > this.#buffer.length) this.#buffer = new Uint8Array(length);
      this.#used = length;
      return this.#buffer.subarray(0, length);
    }
    this.#used = end;
    return this.#buffer.subarray(offset - this.#start, end);
  }

  /** Writes what is left, with zeros up to `length`. */
  finish(length: number): void {
    this.#flush();
    const written = this.#start + this.#used;
    if (written < length) this.#output.write(new Uint8Array(length - written), this.#base + written);
  }

  #flush(): void {
    if (this.#used === 0) return;
    this.#output.write(this.#buffer.subarray(0, this.#used), this.#base + this.#start);
    this.#buffer.fill(0, 0, this.#used);
  }
}
