import { type ByteString, printable, type TarEntry, type Xattr } from "../tar/entry.ts";
import { Inode, S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG } from "./inode.ts";

/** PATH_MAX and NAME_MAX of Linux. */
const MAX_PATH = 4096;
const MAX_NAME = 255;
/** As the kernel's own limit on symlinks in one walk. */
const MAX_SYMLINKS = 40;
const MAX_MAJOR = 0xfff;
const MAX_MINOR = 0xfffff;

const WHITEOUT_PREFIX = ".wh.";
const WHITEOUT_META_PREFIX = ".wh..wh.";
const OPAQUE_MARK = ".wh..wh..opq";

/** Kept of what a tar may say; `trusted.overlay.` would let an image steer overlayfs, SELinux labels are the node's to give. */
const KEPT_XATTRS = ["user.", "trusted.", "security.", "system.posix_acl_access", "system.posix_acl_default"];
const DROPPED_XATTRS = ["trusted.overlay.", "user.overlay.", "security.selinux"];

/**
 * The tree that a layer's entries make, following https://github.com/opencontainers/image-spec/blob/main/layer.md.
 * Paths are resolved in here only, as in a chroot: nothing on the host is ever looked up.
 */
export class LayerTree {
  readonly root = Inode.impliedDirectory();
  #limit: number;
  #count = 0;
  /** The directory that was walked to last: entries mostly come folder by folder. */
  #lastPath: ByteString | undefined;
  #lastDirectory = this.root;

  /** @param limit most entries, counting implied directories. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** @param base where in the image file the tar starts. */
  add(entry: TarEntry, base: number): void {
    const parts = splitPath(entry.path);
    if (parts.some((part) => part.startsWith(WHITEOUT_META_PREFIX) && part !== OPAQUE_MARK)) return;
    const name = parts.pop();
    if (name === undefined) return this.#setRoot(entry);
    this.#charge();
    const parent = this.#directory(parts, entry.path);
    if (name === OPAQUE_MARK) parent.opaque = true;
    else if (name.startsWith(WHITEOUT_PREFIX)) this.#whiteOut(parent, name.slice(WHITEOUT_PREFIX.length), entry.path);
    else if (entry.kind === "hardlink") this.#put(parent, name, this.#linkTarget(entry));
    else if (entry.kind === "directory") this.#putDirectory(parent, name, entry);
    else this.#put(parent, name, newInode(entry, base));
  }

  #charge(): void {
    if (++this.#count > this.#limit) throw new Error(`the layer has more than ${this.#limit} entries`);
  }

  #setRoot(entry: TarEntry): void {
    if (entry.kind !== "directory") throw new Error("the layer's root is not a directory");
    describe(this.root, entry);
    this.root.implied = false;
  }

  #put(parent: Inode, name: ByteString, inode: Inode): void {
    if (parent.children!.get(name)?.children) this.#lastPath = undefined;
    parent.children!.set(name, inode);
  }

  #putDirectory(parent: Inode, name: ByteString, entry: TarEntry): void {
    const existing = parent.children!.get(name);
    const directory = existing?.children ? existing : new Inode(S_IFDIR);
    if (existing?.isWhiteout) directory.opaque = true;
    describe(directory, entry);
    directory.implied = false;
    if (directory !== existing) this.#put(parent, name, directory);
  }

  /** A whiteout speaks of lower layers only, so what this layer has under the name stays and hides the lower one. */
  #whiteOut(parent: Inode, name: ByteString, path: ByteString): void {
    if (name === "" || name === "." || name === "..") throw new Error(`${printable(path)} is not a valid whiteout`);
    const existing = parent.children!.get(name);
    if (existing?.children) existing.opaque = true;
    else if (!existing) parent.children!.set(name, Inode.whiteout());
  }

  #linkTarget(entry: TarEntry): Inode {
    const parts = splitPath(entry.link);
    const name = parts.pop();
    const parent = name === undefined ? undefined : this.#find(parts);
    const target = parent?.children?.get(name!);
    const what = `the hard link ${printable(entry.path)}`;
    if (!target || target.isWhiteout) {
      throw new Error(`${what} points to ${printable(entry.link)}, which is not in the same layer before it`);
    }
    if (target.children) throw new Error(`${what} points to the directory ${printable(entry.link)}`);
    return target;
  }

  #directory(parts: ByteString[], path: ByteString): Inode {
    const key = parts.join("/");
    if (key === this.#lastPath) return this.#lastDirectory;
    const directory = this.#walk(parts, (parent, name) => {
      this.#charge();
      const created = Inode.impliedDirectory();
      created.opaque = parent.children!.has(name);
      parent.children!.set(name, created);
      return created;
    });
    if (!directory) throw new Error(`a parent of ${printable(path)} is neither a directory nor a symlink to one`);
    this.#lastPath = key;
    this.#lastDirectory = directory;
    return directory;
  }

  #find(parts: ByteString[]): Inode | undefined {
    return this.#walk(parts, () => undefined);
  }

  /** Walks like a chrooted process: symlinks are followed, `..` stops at the root. `missing` may make what is not there. */
  #walk(parts: ByteString[], missing: (parent: Inode, name: ByteString) => Inode | undefined): Inode | undefined {
    let stack: Inode[] = [this.root];
    const pending = parts.toReversed();
    let symlinks = 0;
    for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
      if (name === "" || name === ".") continue;
      if (name === "..") {
        if (stack.length > 1) stack.pop();
        continue;
      }
      const parent = stack[stack.length - 1];
      let child = parent.children!.get(name);
      if (!child || child.isWhiteout) child = missing(parent, name);
      if (!child) return undefined;
      if (child.type === S_IFLNK) {
        if (++symlinks > MAX_SYMLINKS) throw new Error(`${printable(parts.join("/"))} goes through a loop of symlinks`);
        if (child.target.startsWith("/")) stack = [this.root];
        pending.push(...child.target.split("/").reverse());
        continue;
      }
      if (!child.children) return undefined;
      stack.push(child);
    }
    return stack[stack.length - 1];
  }
}

/** Parts without empty ones and dots; `..` is taken out of the text, and cannot leave the root. */
function splitPath(path: ByteString): ByteString[] {
  if (path.length > MAX_PATH) {
    throw new Error(`the path ${printable(path.slice(0, 80))}… is longer than ${MAX_PATH} bytes`);
  }
  if (path.includes("\0")) throw new Error(`the path ${printable(path)} has a NUL byte`);
  const parts: ByteString[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") parts.pop();
    else if (part.length > MAX_NAME) {
      throw new Error(`the name ${printable(part.slice(0, 80))}… is longer than ${MAX_NAME} bytes`);
    } else parts.push(part);
  }
  return parts;
}

function newInode(entry: TarEntry, base: number): Inode {
  switch (entry.kind) {
    case "symlink": {
      if (entry.link === "" || entry.link.length >= MAX_PATH || entry.link.includes("\0")) {
        throw new Error(`the symlink ${printable(entry.path)} has an empty, overlong or invalid target`);
      }
      const inode = describe(new Inode(S_IFLNK), { ...entry, mode: 0o777 });
      inode.target = entry.link;
      return inode;
    }
    case "char":
    case "block": {
      const { major, minor } = entry;
      if (major < 0 || major > MAX_MAJOR || minor < 0 || minor > MAX_MINOR) {
        throw new Error(
          `the device ${printable(entry.path)} has the number ${major}:${minor}, which Linux cannot express`,
        );
      }
      if (entry.kind === "char" && major === 0 && minor === 0) {
        throw new Error(
          `${printable(entry.path)} is the character device 0:0, which overlayfs takes for a deleted file`,
        );
      }
      const inode = describe(new Inode(entry.kind === "char" ? S_IFCHR : S_IFBLK), entry);
      inode.major = major;
      inode.minor = minor;
      return inode;
    }
    case "fifo":
      return describe(new Inode(S_IFIFO), entry);
    default: {
      const inode = describe(new Inode(S_IFREG), entry);
      inode.size = entry.sparse?.realSize ?? entry.size;
      inode.dataOffset = base + entry.dataOffset;
      inode.segments = entry.sparse?.segments;
      return inode;
    }
  }
}

function describe(inode: Inode, entry: TarEntry): Inode {
  inode.mode = inode.type | entry.mode;
  inode.uid = entry.uid;
  inode.gid = entry.gid;
  inode.mtimeSeconds = entry.mtimeSeconds;
  inode.mtimeNanoseconds = entry.mtimeNanoseconds;
  inode.xattrs = keptXattrs(entry);
  return inode;
}

function keptXattrs(entry: TarEntry): Xattr[] | undefined {
  const kept = entry.xattrs.filter(({ name }) =>
    KEPT_XATTRS.some((prefix) => name.startsWith(prefix)) && !DROPPED_XATTRS.some((prefix) => name.startsWith(prefix))
  );
  return kept.length === 0 ? undefined : kept;
}
