import type { ImageReader, StoredInode } from "../erofs/reader.ts";
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from "../erofs/inode.ts";
import { type ByteString, printable } from "../tar/entry.ts";

/** Is told of everything in an image, directory by directory. A name is one of the directory that was entered last. */
export interface ImageVisitor {
  enter(name: ByteString, inode: StoredInode): void;
  /** All in the directory was visited. */
  leave(name: ByteString, inode: StoredInode): void;
  /** Anything but a directory. `shared`: further names of it may follow. */
  leaf(name: ByteString, inode: StoredInode, shared: boolean): void;
  /** One more name of a leaf that was `shared`. */
  link(name: ByteString, inode: StoredInode): void;
}

const MAX_NAME = 255;
const OPAQUE = "trusted.overlay.opaque";

/**
 * Walks through an image, whose root is visited under the name "".
 * @param maxEntries of all directories together.
 * @throws for what no layer of ours has: names that lead elsewhere, directories with two parents, more bytes than the image.
 */
export function walkImage(image: ImageReader, visitor: ImageVisitor, maxEntries: number): void {
  const directories = new Set<number>();
  const shared = new Set<number>();
  const open: { name: ByteString; inode: StoredInode; left: Iterator<{ name: ByteString; node: number }> }[] = [];
  let [entries, bytes] = [0, 0];

  const charge = ({ size }: StoredInode) => {
    // In an image of ours everything has a place of its own, so all of it together is no longer than the image.
    bytes += size;
    if (bytes > image.length) throw new Error("its files take more bytes than it has");
  };
  const enter = (name: ByteString, inode: StoredInode) => {
    if (directories.has(inode.node)) throw new Error(`the directory ${printable(name)} is in two places`);
    directories.add(inode.node);
    charge(inode);
    visitor.enter(name, inode);
    open.push({ name, inode, left: image.entries(inode) });
  };
  const visit = ({ name, node }: { name: ByteString; node: number }) => {
    if (++entries > maxEntries) {
      throw new Error(`it has more than ${maxEntries} entries (images.limits.entriesPerLayer)`);
    }
    requireName(name);
    const inode = image.inode(node);
    requireXattrs(name, inode);
    if ((inode.mode & S_IFMT) === S_IFDIR) return enter(name, inode);
    if (shared.has(node)) return visitor.link(name, inode);
    if (inode.links > 1) shared.add(node);
    charge(inode);
    visitor.leaf(name, inode, inode.links > 1);
  };

  const root = image.inode(image.root);
  if ((root.mode & S_IFMT) !== S_IFDIR) throw new Error("its root is not a directory");
  requireXattrs("", root);
  enter("", root);
  for (let directory = open.at(-1); directory; directory = open.at(-1)) {
    const next = directory.left.next();
    if (!next.done) visit(next.value);
    else {
      open.pop();
      visitor.leave(directory.name, directory.inode);
    }
  }
}

/** The kernel gives out user. attributes of files and directories only, see xattr(7). */
export function visibleXattrs({ mode, xattrs }: StoredInode): StoredInode["xattrs"] {
  const type = mode & S_IFMT;
  if (type === S_IFREG || type === S_IFDIR) return xattrs;
  return xattrs.filter(({ name }) => !name.startsWith("user.") && !(type === S_IFLNK && name.startsWith("system.")));
}

function requireName(name: ByteString): void {
  if (name === "" || name.length > MAX_NAME || /[/\0]/.test(name)) {
    throw new Error(`${printable(name)} cannot be the name of a file`);
  }
}

/** The parser lets none of the others through: they would steer overlayfs. */
function requireXattrs(name: ByteString, { xattrs }: StoredInode): void {
  const steering = xattrs.find((xattr) =>
    xattr.name.includes("\0") || xattr.name.startsWith("user.overlay.") ||
    xattr.name.startsWith("trusted.overlay.") && (xattr.name !== OPAQUE || xattr.value.join() !== "121")
  );
  if (steering) {
    throw new Error(`${printable(name)} has the xattr ${printable(steering.name)}, which no layer may have`);
  }
}
