import { messageOf } from "../../rpc/status.ts";
import { copyRange, Errno, kernel, PR_SET_PDEATHSIG, SIGKILL, TreeMaker } from "../../sys/mod.ts";
import { S_IFLNK, S_IFMT, S_IFREG } from "../erofs/inode.ts";
import { ImageReader, type StoredInode } from "../erofs/reader.ts";
import { bytesOf } from "../tar/entry.ts";
import { enterSandbox } from "../sandbox.ts";
import { openImage } from "./image_file.ts";
import type { FolderTask, UnpackEvent } from "./types.ts";
import { type ImageVisitor, visibleXattrs, walkImage } from "./walk_image.ts";
import { sayLine } from "../say_line.ts";

/** The tree's own name in its folder. */
const TREE = "tree";

/**
 * `skiff __unpack`: makes a layer's image into a folder, for kernels without EROFS. It can do nothing but make
 * files, and these only below its folder: it is confined to that by chroot(2) before it reads the first byte of the image.
 */
export async function main(_args: string[]): Promise<number> {
  try {
    // What a daemon that died had begun is begun again.
    kernel.prctl(PR_SET_PDEATHSIG, SIGKILL);
    const task = JSON.parse(await new Response(Deno.stdin.readable).text()) as FolderTask;
    const image = openImage(task.image);
    const maker = new TreeMaker(task.folder);
    enterSandbox();
    unpack(maker, image, task.entries);
    maker.finish();
    say({ event: "done", ...maker.usage });
    return 0;
  } catch (error) {
    say({ event: "error", message: messageOf(error), ...(error instanceof Errno ? { code: error.code } : {}) });
    return 1;
  }
}

function unpack(maker: TreeMaker, image: ReturnType<typeof openImage>, maxEntries: number): void {
  const reader = new ImageReader(image);
  const visitor: ImageVisitor = {
    enter: (name) => maker.enter(bytesOf(name || TREE)),
    leave: (name, inode) => maker.leave(bytesOf(name || TREE), attributesOf(inode)),
    leaf: (name, inode, shared) => {
      makeLeaf(maker, reader, image.fd, bytesOf(name), inode);
      if (shared) maker.share(bytesOf(name), inode.node);
    },
    link: (name, inode) => maker.link(bytesOf(name), inode.node),
  };
  walkImage(reader, visitor, maxEntries);
}

function makeLeaf(maker: TreeMaker, reader: ImageReader, image: number, name: Uint8Array, inode: StoredInode): void {
  const attributes = attributesOf(inode);
  switch (inode.mode & S_IFMT) {
    case S_IFREG:
      return maker.file(name, attributes, (fd) => copyRange(image, inode.dataOffset, inode.size, fd));
    case S_IFLNK:
      return maker.symlink(name, reader.target(inode), attributes);
    default:
      return maker.node(name, inode.major, inode.minor, attributes);
  }
}

function attributesOf(inode: StoredInode) {
  const xattrs = visibleXattrs(inode).map(({ name, value }) => ({ name: bytesOf(name), value }));
  return { ...inode, xattrs };
}

function say(event: UnpackEvent): void {
  sayLine(Deno.stderr, event);
}
