import type { Kernel } from "../../sys/kernel.ts";
import { EAGAIN, ENOENT, ENOTDIR, Errno, O_DIRECTORY, O_NOCTTY, O_NONBLOCK, O_PATH, O_RDONLY } from "../../sys/mod.ts";
import { RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from "../../sys/mod.ts";
import { invalid, quote } from "../refusal.ts";
import { normalise } from "./paths.ts";

/** openat2 gives EAGAIN when something in the tree is renamed while it walks. */
const ATTEMPTS = 16;

/** As the kernel: a chain of more links is a loop. */
const LINKS_MAX = 40;

/**
 * Content of a regular file of an untrusted tree, or undefined if it is not there. Symlinks are followed inside the tree
 * only; fifos and devices do not block and are refused; more than `limit` bytes are refused before they are read.
 */
export function readInRoot(kernel: Kernel, root: string, path: string, limit: number): Uint8Array | undefined {
  const fd = openInRoot(kernel, root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (fd === undefined) return undefined;
  try {
    const stat = kernel.fstat(fd);
    if ((stat.mode & S_IFMT) !== S_IFREG) throw invalid(`image file ${path}`, "it is not a regular file");
    if (stat.size > limit) throw invalid(`image file ${path}`, `it has ${stat.size} bytes; at most ${limit} are read`);
    return readUpTo(kernel, fd, limit);
  } finally {
    kernel.close(fd);
  }
}

function openInRoot(kernel: Kernel, root: string, path: string, flags: number): number | undefined {
  const rootFd = kernel.open(root, O_PATH | O_DIRECTORY);
  try {
    for (let attempt = 1;; attempt++) {
      try {
        return kernel.openat2(rootFd, path, { flags, resolve: RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS });
      } catch (error) {
        if (!(error instanceof Errno)) throw error;
        if (error.code === ENOENT || error.code === ENOTDIR) return undefined;
        if (error.code === EAGAIN && attempt < ATTEMPTS) continue;
        throw invalid(`image file ${path}`, "it cannot be opened", error);
      }
    }
  } finally {
    kernel.close(rootFd);
  }
}

function readUpTo(kernel: Kernel, fd: number, limit: number): Uint8Array {
  // One byte more than allowed: the file may have grown since fstat.
  const buffer = new Uint8Array(limit + 1);
  let length = 0;
  while (length < buffer.length) {
    const count = kernel.read(fd, buffer.subarray(length));
    if (count === 0) return buffer.slice(0, length);
    length += count;
  }
  throw invalid("image file", `it has more than ${limit} bytes`);
}

/**
 * Where a path of an untrusted tree leads, by text: symlinks of the tree are followed inside it, what does not exist is
 * kept as it is. Only to judge the path (is it below /proc?), never to open it.
 */
export function resolveInRoot(kernel: Kernel, root: string, path: string): string {
  let links = 0;
  let resolved = "";
  const rest = normalise(path).split("/").filter((part) => part !== "").reverse();
  while (rest.length > 0) {
    const part = rest.pop()!;
    if (part === "..") {
      resolved = resolved.slice(0, Math.max(0, resolved.lastIndexOf("/")));
      continue;
    }
    const next = `${resolved}/${part}`;
    const target = linkTarget(kernel, root + next);
    if (target === undefined) {
      resolved = next;
      continue;
    }
    if (++links > LINKS_MAX) throw invalid("path in the image", `${quote(path)} has more than ${LINKS_MAX} symlinks`);
    if (target.startsWith("/")) resolved = "";
    rest.push(...target.split("/").filter((piece) => piece !== "" && piece !== ".").reverse());
  }
  return resolved === "" ? "/" : resolved;
}

function linkTarget(kernel: Kernel, path: string): string | undefined {
  try {
    return (kernel.lstat(path).mode & S_IFMT) === S_IFLNK ? kernel.readlink(path) : undefined;
  } catch (error) {
    if (error instanceof Errno) return undefined;
    throw error;
  }
}

/** Makes a directory and its parents inside an untrusted tree (mode 0755); symlinks of the tree are followed inside it. */
export function makeDirectoryInRoot(kernel: Kernel, root: string, path: string): void {
  let reached = "";
  for (const part of normalise(path).split("/").filter((piece) => piece !== "")) {
    const next = `${reached}/${part}`;
    const fd = openInRoot(kernel, root, next, O_PATH);
    if (fd !== undefined) {
      try {
        if ((kernel.fstat(fd).mode & S_IFMT) !== S_IFDIR) {
          throw invalid("path in the image", `${quote(next)} is not a directory`);
        }
      } finally {
        kernel.close(fd);
      }
    } else {
      const parent = openInRoot(kernel, root, reached || "/", O_PATH | O_DIRECTORY);
      if (parent === undefined) throw invalid("path in the image", `${quote(next)} cannot be made: its parent is gone`);
      try {
        kernel.mkdir(`/proc/self/fd/${parent}/${part}`, 0o755);
      } catch (error) {
        // A symlink that leads nowhere: the name is taken, although nothing is there.
        throw invalid("path in the image", `${quote(next)} cannot be made as a folder`, error);
      } finally {
        kernel.close(parent);
      }
    }
    reached = next;
  }
}
