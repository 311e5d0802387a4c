import type { ByteString, Xattr } from "../tar/entry.ts";

export const S_IFMT = 0o170000;
export const S_IFDIR = 0o040000;
export const S_IFREG = 0o100000;
export const S_IFLNK = 0o120000;
export const S_IFCHR = 0o020000;
export const S_IFBLK = 0o060000;
export const S_IFIFO = 0o010000;

const IMPLIED_MODE = 0o755;

/** A file, directory or device of an image, as it will be in its inode. */
export class Inode {
  uid = 0;
  gid = 0;
  mtimeSeconds = 0;
  mtimeNanoseconds = 0;
  /** Bytes a reader sees. Of directories and symlinks the writer works them out. */
  size = 0;
  /** Where the data of a regular file starts in the image file, in bytes. */
  dataOffset = 0;
  /** Offset and length by turns; set while the data of a sparse file is not expanded yet. */
  segments: number[] | undefined = undefined;
  major = 0;
  minor = 0;
  target: ByteString = "";
  xattrs: Xattr[] | undefined = undefined;
  children: Map<ByteString, Inode> | undefined;
  /** A directory that no entry of its own describes. */
  implied = false;
  /** A directory that hides what lower layers have in it. */
  opaque = false;

  // Where the writer puts it; offsets count from the start of the metadata.
  /** Negative before it has a place. */
  offset = -1;
  links = 0;
  xattrBytes = 0;
  /** Where the data of a directory is, and the target of a symlink that does not fit behind its inode. */
  tailOffset = 0;
  inlineTarget = false;

  /** `mode` with the file type. */
  constructor(public mode: number) {
    this.children = (mode & S_IFMT) === S_IFDIR ? new Map() : undefined;
  }

  static impliedDirectory(): Inode {
    const inode = new Inode(S_IFDIR | IMPLIED_MODE);
    inode.implied = true;
    return inode;
  }

  /** overlayfs's mark for "the lower layers' file of this name is gone". */
  static whiteout(): Inode {
    return new Inode(S_IFCHR);
  }

  get type(): number {
    return this.mode & S_IFMT;
  }

  get isWhiteout(): boolean {
    return this.type === S_IFCHR && this.major === 0 && this.minor === 0;
  }
}
