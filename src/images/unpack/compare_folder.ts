import { equals } from "@std/bytes";
import { ENOENT, Errno, kernel, makeDevice, type Stat, type TreeReader } from "../../sys/mod.ts";
import { S_IFBLK, S_IFCHR, S_IFLNK, S_IFMT, S_IFREG } from "../erofs/inode.ts";
import { type ImageInput, ImageReader, type StoredInode } from "../erofs/reader.ts";
import { bytesOf, type ByteString, byteString, printable } from "../tar/entry.ts";
import type { Comparison } from "./types.ts";
import { isOfTheNode, keptXattrs } from "./kept_xattrs.ts";
import { type ImageVisitor, walkImage } from "./walk_image.ts";

const CHUNK = 1 << 20;
/** What the times of every file system reach to, in seconds. */
const LAST_TIME = 2 ** 31 - 1;

class Difference extends Error {}

/** Compares a folder with the image that it was made of, in all that unpacking an image makes. */
export function compareFolder(image: ImageInput, folder: TreeReader, maxEntries: number): Comparison {
  try {
    const reader = new ImageReader(image);
    walkImage(reader, new FolderVisitor(image, reader, folder), maxEntries);
    return {};
  } catch (error) {
    if (error instanceof Difference) return { difference: error.message };
    // Any other is a mistake of ours, which says nothing of the image.
    if (error instanceof Errno || error instanceof Error && error.constructor === Error) {
      return { unreadable: error.message };
    }
    throw error;
  }
}

class FolderVisitor implements ImageVisitor {
  #image: ImageInput;
  #reader: ImageReader;
  #folder: TreeReader;
  #path: ByteString[] = [];
  /** Of each directory that is open, what the image has in it. */
  #names: Set<ByteString>[] = [];
  /** Of files with several names, by their numbers in the image. */
  #shared = new Map<number, bigint>();
  #expected = new Uint8Array(CHUNK);
  #found = new Uint8Array(CHUNK);

  constructor(image: ImageInput, reader: ImageReader, folder: TreeReader) {
    this.#image = image;
    this.#reader = reader;
    this.#folder = folder;
  }

  enter(name: ByteString, inode: StoredInode): void {
    this.#attributes(name, inode);
    if (name !== "") this.#look(name, () => this.#folder.enter(bytesOf(name)));
    this.#path.push(name);
    this.#names.push(new Set());
  }

  leave(name: ByteString): void {
    const known = this.#names.pop()!;
    for (const found of this.#look("", () => [...this.#folder.names()].map(byteString))) {
      if (!known.has(found)) this.#differs(found, "is not in the layer");
    }
    this.#path.pop();
    if (name !== "") this.#folder.leave();
  }

  leaf(name: ByteString, inode: StoredInode, shared: boolean): void {
    const { ino, size, rdev } = this.#attributes(name, inode);
    if (shared) this.#shared.set(inode.node, ino);
    switch (inode.mode & S_IFMT) {
      case S_IFREG:
        if (size !== inode.size || !this.#isSame(name, inode)) this.#differs(name, "has another content");
        break;
      case S_IFLNK: {
        const target = this.#look(name, () => this.#folder.target(bytesOf(name)));
        if (!equals(target, this.#reader.target(inode))) this.#differs(name, "leads elsewhere");
        break;
      }
      case S_IFCHR:
      case S_IFBLK:
        if (rdev !== makeDevice(inode.major, inode.minor)) this.#differs(name, "is another device");
    }
  }

  link(name: ByteString, inode: StoredInode): void {
    const { ino } = this.#attributes(name, inode);
    if (ino !== this.#shared.get(inode.node)) this.#differs(name, "is not the file whose other name it is");
  }

  #attributes(name: ByteString, inode: StoredInode): Stat {
    this.#names.at(-1)?.add(name);
    const bytes = bytesOf(name);
    const stat = this.#look(name, () => this.#folder.describe(bytes));
    if ((stat.mode & S_IFMT) !== (inode.mode & S_IFMT)) this.#differs(name, "is of another kind");
    // Symlinks have no mode of their own on a disk.
    if (stat.mode !== inode.mode && (inode.mode & S_IFMT) !== S_IFLNK) this.#differs(name, "has another mode");
    if (stat.uid !== inode.uid || stat.gid !== inode.gid) this.#differs(name, "has another owner");
    if (!isSameTime(stat, inode)) this.#differs(name, "has another time");
    const expected = keptXattrs(inode);
    for (const xattr of this.#look(name, () => this.#folder.xattrs(bytes))) {
      const key = byteString(xattr.name);
      const value = expected.get(key);
      if (value ? !equals(value, xattr.value) : !isOfTheNode(key)) this.#differs(name, `has another ${printable(key)}`);
      expected.delete(key);
    }
    for (const key of expected.keys()) this.#differs(name, `has no ${printable(key)}`);
    return stat;
  }

  #isSame(name: ByteString, { dataOffset, size }: StoredInode): boolean {
    const fd = this.#look(name, () => this.#folder.open(bytesOf(name)));
    try {
      for (let at = 0; at < size; at += CHUNK) {
        const expected = this.#expected.subarray(0, Math.min(CHUNK, size - at));
        const found = this.#found.subarray(0, expected.length);
        this.#image.read(expected, dataOffset + at);
        for (let done = 0; done < found.length;) {
          const count = this.#look(name, () => kernel.pread(fd, found.subarray(done), at + done));
          if (count === 0) return false;
          done += count;
        }
        if (!equals(expected, found)) return false;
      }
      return true;
    } finally {
      kernel.close(fd);
    }
  }

  /** Asks about the folder: what it cannot say is a difference. */
  #look<T>(name: ByteString, ask: () => T): T {
    try {
      return ask();
    } catch (error) {
      if (!(error instanceof Errno)) throw error;
      this.#differs(name, error.code === ENOENT ? "is not there" : `cannot be read: ${error.text}`);
    }
  }

  #differs(name: ByteString, how: string): never {
    throw new Difference(`${printable([...this.#path.slice(1), name].join("/") || "/")} ${how}`);
  }
}

/** File systems keep times as finely, and as far, as they can. */
function isSameTime({ mtime }: Stat, { mtimeSeconds, mtimeNanoseconds }: StoredInode): boolean {
  if (mtimeSeconds < 0 || mtimeSeconds > LAST_TIME) return true;
  const fine = mtime % 1_000_000_000n;
  return mtime / 1_000_000_000n === BigInt(mtimeSeconds) && (fine === 0n || fine === BigInt(mtimeNanoseconds));
}
