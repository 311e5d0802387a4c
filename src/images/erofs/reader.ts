import type { ByteString, Xattr } from "../tar/entry.ts";
import { BLOCK_SIZE, readDirectoryBlock, SLOT } from "./directory.ts";
import { EXTENDED, LAYOUT_INLINE, LAYOUT_PLAIN, MAGIC, SUPERBLOCK_AREA, SUPERBLOCK_OFFSET } from "./image.ts";
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG } from "./inode.ts";
import { INODE_LENGTH } from "./plan.ts";
import { readXattrs, xattrBytes } from "./xattrs.ts";

/** Where an image is read from: `read` fills `into` or throws. */
export interface ImageInput {
  readonly length: number;
  read(into: Uint8Array, offset: number): void;
}

/** What an image says of a file, directory or device. */
export interface StoredInode {
  /** Its number: files with several names have one. */
  node: number;
  /** With the file type. */
  mode: number;
  uid: number;
  gid: number;
  mtimeSeconds: number;
  mtimeNanoseconds: number;
  /** How many names it should have. */
  links: number;
  size: number;
  /** Where its `size` bytes are in the image: of a file, a directory or a symlink. */
  dataOffset: number;
  major: number;
  minor: number;
  xattrs: Xattr[];
}

const TYPES = [S_IFREG, S_IFDIR, S_IFLNK, S_IFCHR, S_IFBLK, S_IFIFO];
const MAX_TARGET = 4095;

/**
 * Reads images as {@link writeImage} writes them, and no others. Who wrote one may have been taken over by what it parsed:
 * whatever does not add up is an error, and nothing outside the image is read.
 */
export class ImageReader {
  readonly root: number;
  #input: ImageInput;
  /** Where nodes are counted from. */
  #metadata: number;

  constructor(input: ImageInput) {
    this.#input = input;
    const view = viewOf(this.#bytes(0, SUPERBLOCK_AREA), SUPERBLOCK_OFFSET);
    const features = view.getUint32(8, true) | view.getUint32(80, true);
    if (view.getUint32(0, true) !== MAGIC || 1 << view.getUint8(12) !== BLOCK_SIZE || features !== 0) {
      throw new Error("it is no image that skiff has written");
    }
    this.root = view.getUint16(14, true);
    this.#metadata = view.getUint32(40, true) * BLOCK_SIZE;
  }

  /** Bytes of the whole image: nothing in it can be longer. */
  get length(): number {
    return this.#input.length;
  }

  inode(node: number): StoredInode {
    const offset = this.#metadata + node * SLOT;
    const view = viewOf(this.#bytes(offset, INODE_LENGTH));
    const format = view.getUint16(0, true);
    const mode = view.getUint16(4, true);
    const type = mode & S_IFMT;
    const isInline = type === S_IFLNK && format === (EXTENDED | LAYOUT_INLINE);
    if (!TYPES.includes(type) || !isInline && format !== (EXTENDED | LAYOUT_PLAIN)) {
      throw new Error(`node ${node} is nothing that skiff writes`);
    }
    const xattrs = this.#bytes(offset + INODE_LENGTH, xattrBytes(view.getUint16(2, true)));
    const place = view.getUint32(16, true);
    const isDevice = type === S_IFCHR || type === S_IFBLK;
    const inode: StoredInode = {
      node,
      mode,
      uid: view.getUint32(24, true),
      gid: view.getUint32(28, true),
      mtimeSeconds: safe(view.getBigInt64(32, true)),
      mtimeNanoseconds: view.getUint32(40, true),
      links: view.getUint32(44, true),
      size: safe(view.getBigUint64(8, true)),
      dataOffset: isInline ? offset + INODE_LENGTH + xattrs.length : isDevice ? 0 : place * BLOCK_SIZE,
      major: isDevice ? place >>> 8 & 0xfff : 0,
      minor: isDevice ? place & 0xff | place >>> 12 & 0xfff00 : 0,
      xattrs: readXattrs(xattrs),
    };
    this.#requireInside(inode.dataOffset, inode.size);
    if (inode.mtimeNanoseconds >= 1e9) throw new Error(`node ${node} has a time that is none`);
    return inode;
  }

  /** The names in a directory but `.` and `..`. */
  *entries({ dataOffset, size }: StoredInode): Generator<{ name: ByteString; node: number }> {
    for (let at = 0; at < size; at += BLOCK_SIZE) {
      const block = this.#bytes(dataOffset + at, Math.min(BLOCK_SIZE, size - at));
      for (const entry of readDirectoryBlock(block)) {
        if (entry.name !== "." && entry.name !== "..") yield entry;
      }
    }
  }

  /** Where a symlink leads. */
  target({ node, dataOffset, size }: StoredInode): Uint8Array {
    const target = size > 0 && size <= MAX_TARGET ? this.#bytes(dataOffset, size) : new Uint8Array();
    if (target.length === 0 || target.includes(0)) throw new Error(`the symlink at node ${node} leads nowhere`);
    return target;
  }

  #bytes(offset: number, length: number): Uint8Array {
    this.#requireInside(offset, length);
    const bytes = new Uint8Array(length);
    if (length > 0) this.#input.read(bytes, offset);
    return bytes;
  }

  #requireInside(offset: number, length: number): void {
    if (offset + length <= this.length) return;
    throw new Error(`bytes ${offset} to ${offset + length} are not in the image, which has ${this.length}`);
  }
}

function viewOf(bytes: Uint8Array, offset = 0): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset + offset);
}

function safe(value: bigint): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new Error(`${value} is no size and no time`);
  return number;
}
