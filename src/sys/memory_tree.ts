import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from "./constants.ts";
import { EEXIST, EISDIR, ELOOP, ENOENT, ENOTDIR, ENOTEMPTY, failure } from "./errno.ts";
import type { Stat } from "./kernel.ts";

/** A file, directory, symlink or device in memory. */
export interface MemoryNode {
  mode: number;
  uid: number;
  gid: number;
  ino: bigint;
  rdev: bigint;
  mtime: bigint;
  content: Uint8Array;
  target: string;
  entries: Map<string, MemoryNode>;
  xattrs: Map<string, Uint8Array>;
}

const MOST_LINKS = 40;

/** The small file system that the recording kernel answers from. One device, no permissions. */
export class MemoryTree {
  #lastInode = 1n;
  #clock = 0n;
  readonly root = this.newNode(S_IFDIR | 0o755);

  newNode(mode: number): MemoryNode {
    return {
      mode,
      uid: 0,
      gid: 0,
      ino: ++this.#lastInode,
      rdev: 0n,
      mtime: ++this.#clock,
      content: new Uint8Array(0),
      target: "",
      entries: new Map(),
      xattrs: new Map(),
    };
  }

  touch(node: MemoryNode): void {
    node.mtime = ++this.#clock;
  }

  /** What is at `path`; a symlink at its end is followed unless `follow` is false. Nothing leads out of `root`. */
  find(path: string, call: string, follow = true, root = this.root): MemoryNode {
    return this.#walk(path, call, path, follow, root, { left: MOST_LINKS });
  }

  findIfThere(path: string, follow = true, root = this.root): MemoryNode | undefined {
    try {
      return this.find(path, "stat", follow, root);
    } catch {
      return undefined;
    }
  }

  #walk(
    path: string,
    call: string,
    asked: string,
    follow: boolean,
    root: MemoryNode,
    links: { left: number },
  ): MemoryNode {
    const names = path.split("/").filter((name) => name !== "" && name !== ".");
    const trail = [root];
    const walked: string[] = [];
    for (const [index, name] of names.entries()) {
      const directory = trail[trail.length - 1];
      if (!isDirectory(directory)) throw failure(ENOTDIR, call, asked);
      if (name === "..") {
        if (trail.length > 1) trail.pop();
        walked.pop();
        continue;
      }
      const next = directory.entries.get(name);
      if (next === undefined) throw failure(ENOENT, call, asked);
      const last = index === names.length - 1;
      if ((next.mode & S_IFMT) === S_IFLNK && (!last || follow)) {
        if (--links.left < 0) throw failure(ELOOP, call, asked);
        const base = next.target.startsWith("/") ? "" : walked.join("/");
        const rest = names.slice(index + 1).join("/");
        return this.#walk(`/${base}/${next.target}/${rest}`, call, asked, follow, root, links);
      }
      trail.push(next);
      walked.push(name);
    }
    return trail[trail.length - 1];
  }

  /** The directory that holds the last name of `path`, and that name. */
  parentOf(path: string, call: string, root = this.root): { directory: MemoryNode; name: string } {
    const clean = path.replace(/\/+$/, "");
    const slash = clean.lastIndexOf("/");
    const directory = this.find(clean.slice(0, Math.max(slash, 0)) || "/", call, true, root);
    if (!isDirectory(directory)) throw failure(ENOTDIR, call, path);
    return { directory, name: clean.slice(slash + 1) };
  }

  add(path: string, node: MemoryNode, call: string, root = this.root): MemoryNode {
    const { directory, name } = this.parentOf(path, call, root);
    if (directory.entries.has(name)) throw failure(EEXIST, call, path);
    directory.entries.set(name, node);
    this.touch(directory);
    return node;
  }

  remove(path: string, call: "unlink" | "rmdir"): void {
    const node = this.find(path, call, false);
    if (call === "unlink" && isDirectory(node)) throw failure(EISDIR, call, path);
    if (call === "rmdir" && !isDirectory(node)) throw failure(ENOTDIR, call, path);
    if (call === "rmdir" && node.entries.size > 0) throw failure(ENOTEMPTY, call, path);
    const { directory, name } = this.parentOf(path, call);
    directory.entries.delete(name);
    this.touch(directory);
  }

  rename(from: string, to: string): void {
    const node = this.find(from, "rename", false);
    const source = this.parentOf(from, "rename");
    const target = this.parentOf(to, "rename");
    const replaced = target.directory.entries.get(target.name);
    if (replaced === node) return;
    if (replaced && isDirectory(replaced) !== isDirectory(node)) {
      throw failure(isDirectory(replaced) ? EISDIR : ENOTDIR, "rename", `${from} to ${to}`);
    }
    if (replaced && replaced.entries.size > 0) throw failure(ENOTEMPTY, "rename", `${from} to ${to}`);
    source.directory.entries.delete(source.name);
    target.directory.entries.set(target.name, node);
  }

  mkdirs(path: string, mode: number): void {
    let below = "";
    for (const name of path.split("/").filter((part) => part !== "")) {
      below += "/" + name;
      const node = this.findIfThere(below);
      if (node === undefined) this.add(below, this.newNode(S_IFDIR | mode), "mkdir");
      else if (!isDirectory(node)) throw failure(ENOTDIR, "mkdir", path);
    }
  }

  /** Makes or replaces the content of a file. */
  write(path: string, content: Uint8Array, mode: number): void {
    const node = this.findIfThere(path) ?? this.add(path, this.newNode(S_IFREG | mode), "open");
    if (isDirectory(node)) throw failure(EISDIR, "open", path);
    node.content = content;
    this.touch(node);
  }
}

export function isDirectory(node: MemoryNode): boolean {
  return (node.mode & S_IFMT) === S_IFDIR;
}

export function statOf(node: MemoryNode): Stat {
  const size = (node.mode & S_IFMT) === S_IFLNK ? node.target.length : node.content.length;
  return {
    dev: 1n,
    ino: node.ino,
    mode: node.mode,
    nlink: 1,
    uid: node.uid,
    gid: node.gid,
    rdev: node.rdev,
    size,
    blocks: Math.ceil(size / 512),
    mtime: node.mtime,
    ctime: node.mtime,
  };
}

/** Writes into the file, which grows where it is too short. */
export function overwrite(node: MemoryNode, bytes: Uint8Array, offset: number): void {
  if (offset + bytes.length > node.content.length) {
    const grown = new Uint8Array(offset + bytes.length);
    grown.set(node.content);
    node.content = grown;
  }
  node.content.set(bytes, offset);
}
