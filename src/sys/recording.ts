import { EXT4_SUPER_MAGIC, O_CREAT, O_EXCL, O_TRUNC, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG } from "./constants.ts";
import { EBADF, EEXIST, EFBIG, EINVAL, ENOENT, ESRCH, failure } from "./errno.ts";
import type { Kernel, Stat, StatFs } from "./kernel.ts";
import { CallRecorder } from "./call_recorder.ts";
import { isDirectory, type MemoryNode, MemoryTree, overwrite, statOf } from "./memory_tree.ts";

interface OpenFile {
  node?: MemoryNode;
  offset: number;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const bytesOf = (content: Uint8Array | string) =>
  typeof content === "string" ? encoder.encode(content) : content.slice();

/**
 * A kernel that writes down what it is asked, in order, and does it to a file tree in memory. For tests that say "these
 * mounts, in this order" without root. Mounts and namespaces are recorded and change nothing.
 */
export class RecordingKernel extends CallRecorder implements Kernel {
  readonly tree = new MemoryTree();
  readonly #open = new Map<number, OpenFile>();
  #lastFd = 99;
  #umask = 0o022;

  /** `files`: path → content; their folders are made. A path that ends in `/` is an empty folder. */
  constructor(files: Record<string, string | Uint8Array> = {}) {
    super();
    for (const [path, content] of Object.entries(files)) {
      this.tree.mkdirs(path.slice(0, path.lastIndexOf("/")), 0o755);
      if (!path.endsWith("/")) this.tree.write(path, bytesOf(content), 0o644);
    }
  }

  /** Descriptors that were opened and not closed. */
  openDescriptors(): number[] {
    return [...this.#open.keys()];
  }

  #newFd(node?: MemoryNode): number {
    this.#open.set(++this.#lastFd, { node, offset: 0 });
    return this.#lastFd;
  }

  #file(fd: number, call: string): OpenFile & { node: MemoryNode } {
    const file = this.#open.get(fd);
    if (file?.node === undefined) throw failure(file ? EINVAL : EBADF, call, `descriptor ${fd}`);
    return file as OpenFile & { node: MemoryNode };
  }

  #opened(path: string, flags: number, mode: number, root = this.tree.root): number {
    let node = this.tree.findIfThere(path, true, root);
    if (node === undefined && (flags & O_CREAT) !== 0) {
      node = this.tree.add(path, this.tree.newNode(S_IFREG | (mode & ~this.#umask)), "open", root);
    } else if (node !== undefined && (flags & O_CREAT) !== 0 && (flags & O_EXCL) !== 0) {
      throw failure(EEXIST, "open", path);
    }
    if (node === undefined) throw failure(ENOENT, "open", path);
    if ((flags & O_TRUNC) !== 0) node.content = new Uint8Array(0);
    return this.#newFd(node);
  }

  open(path: string, flags: number, mode = 0): number {
    this.record("open", path, flags, mode);
    return this.#opened(path, flags, mode);
  }
  openat2(dirfd: number, path: string, how: { flags: number; mode?: number; resolve: number }): number {
    this.record("openat2", dirfd, path, how);
    return this.#opened(path, how.flags, how.mode ?? 0, this.#file(dirfd, "openat2").node);
  }
  close(fd: number): void {
    this.record("close", fd);
    if (!this.#open.delete(fd)) throw failure(EBADF, "close", `descriptor ${fd}`);
  }
  read(fd: number, into: Uint8Array): number {
    this.record("read", fd, into.length);
    const file = this.#file(fd, "read");
    const part = file.node.content.subarray(file.offset, file.offset + into.length);
    into.set(part);
    file.offset += part.length;
    return part.length;
  }
  write(fd: number, bytes: Uint8Array): number {
    this.record("write", fd, bytes.slice());
    const file = this.#file(fd, "write");
    overwrite(file.node, bytes, file.offset);
    file.offset += bytes.length;
    return bytes.length;
  }
  pread(fd: number, into: Uint8Array, offset: number): number {
    this.record("pread", fd, into.length, offset);
    const part = this.#file(fd, "pread").node.content.subarray(offset, offset + into.length);
    into.set(part);
    return part.length;
  }
  pwrite(fd: number, bytes: Uint8Array, offset: number): number {
    this.record("pwrite", fd, bytes.slice(), offset);
    overwrite(this.#file(fd, "pwrite").node, bytes, offset);
    return bytes.length;
  }
  ftruncate(fd: number, size: number): void {
    this.record("ftruncate", fd, size);
    const { node } = this.#file(fd, "ftruncate");
    const content = new Uint8Array(size);
    content.set(node.content.subarray(0, size));
    node.content = content;
  }
  fchmod(fd: number, mode: number): void {
    this.record("fchmod", fd, mode);
    const { node } = this.#file(fd, "fchmod");
    node.mode = (node.mode & S_IFMT) | mode;
  }
  fchown(fd: number, uid: number, gid: number): void {
    this.record("fchown", fd, uid, gid);
    Object.assign(this.#file(fd, "fchown").node, { uid, gid });
  }
  async fdatasync(fd: number): Promise<void> {
    this.record("fdatasync", fd);
  }
  async fsync(fd: number): Promise<void> {
    this.record("fsync", fd);
  }

  readFile(path: string, limit = 1 << 20): Uint8Array {
    this.record("readFile", path);
    return this.#content(path, limit);
  }
  #content(path: string, limit: number): Uint8Array {
    const node = this.tree.find(path, "open");
    if (node.content.length > limit) throw failure(EFBIG, "read", `${path} (limit ${limit} bytes)`);
    return node.content.slice();
  }
  readText(path: string, limit = 1 << 20): string {
    this.record("readText", path);
    return decoder.decode(this.#content(path, limit));
  }
  writeFile(path: string, content: Uint8Array | string, mode = 0o600): void {
    this.record("writeFile", path, content, mode);
    this.tree.write(path, bytesOf(content), mode);
  }
  replaceFile(path: string, content: Uint8Array | string, mode = 0o600): void {
    this.record("replaceFile", path, content, mode);
    this.tree.write(path, bytesOf(content), mode);
  }
  async writeControlOffThread(path: string, content: string): Promise<void> {
    this.writeControl(path, content);
  }
  writeControl(path: string, content: string): void {
    this.record("writeControl", path, content);
    this.tree.find(path, "open").content = bytesOf(content);
  }
  readDirectory(
    path: string,
    limit = 100_000,
  ): { name: string; type: "file" | "directory" | "symlink" | "other" }[] {
    this.record("readDirectory", path);
    const { entries } = this.tree.find(path, "open");
    if (entries.size > limit) throw failure(EFBIG, "getdents64", `${path} (limit ${limit} entries)`);
    return [...entries].map(([name, node]) => ({ name, type: typeOf(node) }));
  }
  exists(path: string): boolean {
    this.record("exists", path);
    return this.tree.findIfThere(path, false) !== undefined;
  }
  stat(path: string): Stat {
    this.record("stat", path);
    return statOf(this.tree.find(path, "stat"));
  }
  lstat(path: string): Stat {
    this.record("lstat", path);
    return statOf(this.tree.find(path, "lstat", false));
  }
  fstat(fd: number): Stat {
    this.record("fstat", fd);
    return statOf(this.#file(fd, "fstat").node);
  }
  statfs(path: string): StatFs {
    this.record("statfs", path);
    this.tree.find(path, "statfs");
    const million = 1_000_000;
    return {
      type: EXT4_SUPER_MAGIC,
      blockSize: 4096,
      blocks: million,
      blocksFree: million / 2,
      blocksAvailable: million / 2,
      files: million,
      filesFree: million / 2,
    };
  }
  mkdirs(path: string, mode = 0o700): void {
    this.record("mkdirs", path, mode);
    this.tree.mkdirs(path, mode);
  }
  mkdir(path: string, mode: number): void {
    this.record("mkdir", path, mode);
    this.tree.add(path, this.tree.newNode(S_IFDIR | mode), "mkdir");
  }
  async rmdirOffThread(path: string): Promise<void> {
    this.record("rmdirOffThread", path);
    this.tree.remove(path, "rmdir");
  }
  rmdir(path: string): void {
    this.record("rmdir", path);
    this.tree.remove(path, "rmdir");
  }
  unlink(path: string): void {
    this.record("unlink", path);
    this.tree.remove(path, "unlink");
  }
  unlinkIfExists(path: string): void {
    this.record("unlinkIfExists", path);
    if (this.tree.findIfThere(path, false)) this.tree.remove(path, "unlink");
  }
  async unlinkOffThread(path: string): Promise<void> {
    this.record("unlinkOffThread", path);
    this.tree.remove(path, "unlink");
  }
  rename(from: string, to: string): void {
    this.record("rename", from, to);
    this.tree.rename(from, to);
  }
  link(from: string, to: string): void {
    this.record("link", from, to);
    this.tree.add(to, this.tree.find(from, "link", false), "link");
  }
  symlink(target: string, path: string): void {
    this.record("symlink", target, path);
    this.tree.add(path, Object.assign(this.tree.newNode(S_IFLNK | 0o777), { target }), "symlink");
  }
  readlink(path: string): string {
    this.record("readlink", path);
    const node = this.tree.find(path, "readlink", false);
    if ((node.mode & S_IFMT) !== S_IFLNK) throw failure(EINVAL, "readlink", path);
    return node.target;
  }
  chmod(path: string, mode: number): void {
    this.record("chmod", path, mode);
    const node = this.tree.find(path, "chmod");
    node.mode = (node.mode & S_IFMT) | mode;
  }
  chown(path: string, uid: number, gid: number): void {
    this.record("chown", path, uid, gid);
    Object.assign(this.tree.find(path, "chown"), { uid, gid });
  }
  mknod(path: string, mode: number, major: number, minor: number): void {
    this.record("mknod", path, mode, major, minor);
    const rdev = BigInt((major << 8) | minor);
    this.tree.add(path, Object.assign(this.tree.newNode(mode), { rdev }), "mknod");
  }
  mkfifo(path: string, mode: number): void {
    this.record("mkfifo", path, mode);
    this.tree.add(path, this.tree.newNode(S_IFIFO | mode), "mkfifo");
  }
  setxattr(path: string, name: string, value: Uint8Array): void {
    this.record("setxattr", path, name, value.slice());
    this.tree.find(path, "setxattr", false).xattrs.set(name, value.slice());
  }
  getxattr(path: string, name: string): Uint8Array | undefined {
    this.record("getxattr", path, name);
    return this.tree.find(path, "getxattr", false).xattrs.get(name)?.slice();
  }
  listxattr(path: string): string[] {
    this.record("listxattr", path);
    return [...this.tree.find(path, "listxattr", false).xattrs.keys()];
  }
  async removeTree(path: string): Promise<void> {
    this.record("removeTree", path);
    if (this.tree.findIfThere(path, false) === undefined) return;
    const { directory, name } = this.tree.parentOf(path, "removeTree");
    directory.entries.delete(name);
  }

  mount(source: string, target: string, fstype: string | null, flags: number, data?: string): void {
    this.record("mount", source, target, fstype, flags, ...(data === undefined ? [] : [data]));
    this.tree.find(target, "mount");
  }
  mountFrom(folder: string, source: string, target: string, fstype: string, flags: number, data: string): void {
    this.record("mountFrom", folder, source, target, fstype, flags, data);
    this.tree.find(folder, "chdir");
    this.tree.find(target, "mount");
  }
  async umount(target: string, flags: number): Promise<void> {
    this.record("umount", target, flags);
  }
  umountNow(target: string, flags: number): void {
    this.record("umountNow", target, flags);
  }
  fsopen(fstype: string): number {
    this.record("fsopen", fstype);
    return this.#newFd();
  }
  fsconfigString(fd: number, key: string, value: string): void {
    this.record("fsconfigString", fd, key, value);
  }
  fsconfigFlag(fd: number, key: string): void {
    this.record("fsconfigFlag", fd, key);
  }
  fsconfigFd(fd: number, key: string, valueFd: number): void {
    this.record("fsconfigFd", fd, key, valueFd);
  }
  fsconfigCreate(fd: number): void {
    this.record("fsconfigCreate", fd);
  }
  fsconfigCreateOffThread(fd: number): Promise<void> {
    this.record("fsconfigCreateOffThread", fd);
    return Promise.resolve();
  }
  fsmount(fd: number, attributes: number): number {
    this.record("fsmount", fd, attributes);
    return this.#newFd();
  }
  moveMount(mountFd: number, target: string): void {
    this.record("moveMount", mountFd, target);
    this.tree.find(target, "move_mount");
  }
  openTree(path: string, flags: number): number {
    this.record("openTree", path, flags);
    return this.#newFd(this.tree.find(path, "open_tree"));
  }
  mountSetattr(
    fd: number,
    path: string,
    flags: number,
    attributes: { set?: number; clear?: number; propagation?: number; userns?: number },
  ): void {
    this.record("mountSetattr", fd, path, flags, attributes);
  }

  makePatient(pid: number, nice: number): void {
    this.record("makePatient", pid, nice);
    this.#mustRun(pid, "sched_setattr");
  }
  kill(pid: number, signal: number): void {
    this.record("kill", pid, signal);
    this.#mustRun(Math.abs(pid), "kill");
  }
  /** A process exists when the tree has its folder in /proc. */
  pidfdOpen(pid: number): number {
    this.record("pidfdOpen", pid);
    this.#mustRun(pid, "pidfd_open");
    return this.#newFd();
  }
  #mustRun(pid: number, call: string): void {
    if (this.tree.findIfThere(`/proc/${pid}`) === undefined) throw failure(ESRCH, call, `process ${pid}`);
  }
  pidfdSendSignal(pidfd: number, signal: number): void {
    this.record("pidfdSendSignal", pidfd, signal);
    if (!this.#open.has(pidfd)) throw failure(EBADF, "pidfd_send_signal", `descriptor ${pidfd}`);
  }
  getpid(): number {
    this.record("getpid");
    return 1000;
  }
  umask(mask: number): number {
    this.record("umask", mask);
    const before = this.#umask;
    this.#umask = mask & 0o777;
    return before;
  }
  prctl(option: number, a: number, b = 0, c = 0, d = 0): number {
    this.record("prctl", option, a, b, c, d);
    return 0;
  }
  getrlimit(resource: number): { soft: bigint; hard: bigint } {
    this.record("getrlimit", resource);
    return { soft: 1024n, hard: 1048576n };
  }

  #inside<T>(inside: () => T): T {
    try {
      return inside();
    } finally {
      this.calls.push({ name: "leave", args: [] });
    }
  }
  inNewNamespaces<T>(flags: number, inside: () => T): T {
    this.record("inNewNamespaces", flags);
    return this.#inside(inside);
  }
  inNamespaces<T>(entries: { path: string; flag: number }[], inside: () => T): T {
    this.record("inNamespaces", entries);
    for (const { path } of entries) this.tree.find(path, "open");
    return this.#inside(inside);
  }
  inUserNamespace<T>(flags: number, uidMap: string, gidMap: string, inside: (pid: number) => T): T {
    this.record("inUserNamespace", flags, uidMap, gidMap);
    return this.#inside(() => inside(4242));
  }
  setLoopbackUp(): void {
    this.record("setLoopbackUp");
  }
}

function typeOf(node: MemoryNode): "file" | "directory" | "symlink" | "other" {
  if (isDirectory(node)) return "directory";
  const format = node.mode & S_IFMT;
  return format === S_IFREG ? "file" : format === S_IFLNK ? "symlink" : "other";
}
