/**
 * What the rest of the house may ask of the kernel. `LibcKernel` (libc.ts) makes the calls through FFI;
 * `RecordingKernel` (recording.ts) writes them down for unit tests.
 *
 * Conventions: every failure is an {@link Errno} that names the call and its arguments; every descriptor is
 * close-on-exec; calls are synchronous and must not be able to wait on a device, unless they return a promise (those
 * run off the main thread). A mode goes through the process's umask as usual. `open`, `stat`, `statfs`, `chmod` and `chown`
 * follow symlinks; the xattr calls, `lstat` and `exists` do not follow the last one. Files under /proc, /sys and every
 * folder outside the binary's own permissions are reached through here, too.
 */
export interface Kernel {
  // -- descriptors and files
  /** open(2); O_CLOEXEC is added. Returns the descriptor. */
  open(path: string, flags: number, mode?: number): number;
  /** openat2(2) below `dirfd` with RESOLVE_* flags; O_CLOEXEC is added. */
  openat2(dirfd: number, path: string, how: { flags: number; mode?: number; resolve: number }): number;
  close(fd: number): void;
  read(fd: number, into: Uint8Array): number;
  write(fd: number, bytes: Uint8Array): number;
  pread(fd: number, into: Uint8Array, offset: number): number;
  pwrite(fd: number, bytes: Uint8Array, offset: number): number;
  ftruncate(fd: number, size: number): void;
  fchmod(fd: number, mode: number): void;
  fchown(fd: number, uid: number, gid: number): void;
  /** fdatasync(2), off the main thread. */
  fdatasync(fd: number): Promise<void>;
  /** fsync(2), off the main thread. */
  fsync(fd: number): Promise<void>;

  /**
   * The whole of a file, at most `limit` bytes (default 1 MiB; more is an Errno EFBIG). Also for /proc, /sys, cgroups.
   * Never blocks on a fifo (O_NONBLOCK).
   */
  readFile(path: string, limit?: number): Uint8Array;
  /** As readFile, decoded as UTF-8. */
  readText(path: string, limit?: number): string;
  /** Creates or truncates; `mode` defaults to 0o600. */
  writeFile(path: string, content: Uint8Array | string, mode?: number): void;
  /** Writes `path.tmp-<random>`, then renames: readers see the old file or the new one. */
  replaceFile(path: string, content: Uint8Array | string, mode?: number): void;
  /** Writes to an existing kernel file (cgroup, sysctl, uid_map) with one write(2), no O_CREAT, no O_TRUNC. */
  writeControl(path: string, content: string): void;
  /** As writeControl, off the main thread: to move a process between cgroups can take the kernel ten milliseconds. */
  writeControlOffThread(path: string, content: string): Promise<void>;
  /** Entries without `.` and `..`, with their d_type. Paged getdents64; at most `limit` (default 100,000). */
  readDirectory(path: string, limit?: number): { name: string; type: "file" | "directory" | "symlink" | "other" }[];
  exists(path: string): boolean;
  stat(path: string): Stat;
  lstat(path: string): Stat;
  fstat(fd: number): Stat;
  statfs(path: string): StatFs;
  /** Makes the directory and its missing parents with `mode` (default 0o700). */
  mkdirs(path: string, mode?: number): void;
  mkdir(path: string, mode: number): void;
  rmdir(path: string): void;
  /** rmdir(2), off the main thread: a folder on a disk that is busy with a pull takes up to a tenth of a second. */
  rmdirOffThread(path: string): Promise<void>;
  unlink(path: string): void;
  /** As unlink, but a path that is not there is fine. */
  unlinkIfExists(path: string): void;
  /** unlink(2), off the main thread: to free a file of gigabytes takes a while, as does a busy disk. */
  unlinkOffThread(path: string): Promise<void>;
  rename(from: string, to: string): void;
  link(from: string, to: string): void;
  symlink(target: string, path: string): void;
  readlink(path: string): string;
  chmod(path: string, mode: number): void;
  chown(path: string, uid: number, gid: number): void;
  mknod(path: string, mode: number, major: number, minor: number): void;
  mkfifo(path: string, mode: number): void;
  setxattr(path: string, name: string, value: Uint8Array): void;
  getxattr(path: string, name: string): Uint8Array | undefined;
  listxattr(path: string): string[];
  /**
   * Removes a tree, or whatever is at the path, without following symlinks or crossing mounts (EBUSY names the mount).
   * Nothing there is fine. Yields to the event loop between batches.
   */
  removeTree(path: string): Promise<void>;

  // -- mounts
  mount(source: string, target: string, fstype: string | null, flags: number, data?: string): void;
  /** As mount, but relative names in `data` start at `folder`, which is the working directory for this one call. */
  mountFrom(folder: string, source: string, target: string, fstype: string, flags: number, data: string): void;
  /** umount2(2), off the main thread. */
  umount(target: string, flags: number): Promise<void>;
  /**
   * umount2(2) on the calling thread: only for what has no dirty pages (a pinned namespace, a bind, a tmpfs, EROFS).
   */
  umountNow(target: string, flags: number): void;
  fsopen(fstype: string): number;
  fsconfigString(fd: number, key: string, value: string): void;
  fsconfigFlag(fd: number, key: string): void;
  fsconfigFd(fd: number, key: string, valueFd: number): void;
  fsconfigCreate(fd: number): void;
  fsconfigCreateOffThread(fd: number): Promise<void>;
  /** Detached mount; MOUNT_ATTR_* attributes. */
  fsmount(fd: number, attributes: number): number;
  moveMount(mountFd: number, target: string): void;
  openTree(path: string, flags: number): number;
  /** mount_setattr(2); an empty `path` means `fd` itself; `userns` is a descriptor and implies MOUNT_ATTR_IDMAP. */
  mountSetattr(
    fd: number,
    path: string,
    flags: number,
    attributes: { set?: number; clear?: number; propagation?: number; userns?: number },
  ): void;

  // -- processes
  kill(pid: number, signal: number): void;
  pidfdOpen(pid: number): number;
  pidfdSendSignal(pidfd: number, signal: number): void;
  /**
   * For a process that has just been started and has time: a nice value (0 is everybody's, 19 gets least) for it and all
   * that it starts and, from Linux 6.12, a longer time slice than is usual, so that whoever else wakes up need not wait for its end.
   */
  makePatient(pid: number, nice: number): void;
  getpid(): number;
  umask(mask: number): number;
  prctl(option: number, a: number, b?: number, c?: number, d?: number): number;
  getrlimit(resource: number): { soft: bigint; hard: bigint };

  // -- namespaces: all run in one synchronous turn of the main thread; if the thread cannot return, the process exits
  //    with 70. Only net, ipc, uts and cgroup can be left again: other flags are a RangeError.
  /** unshare(flags), run `inside`, then go back. `inside` must not await and may call the kernel and start programs. */
  inNewNamespaces<T>(flags: number, inside: () => T): T;
  /** setns(path, flags), run `inside`, then go back. */
  inNamespaces<T>(entries: { path: string; flag: number }[], inside: () => T): T;
  /**
   * A child that is paused in a new user namespace and the other new ones in `flags`, which that one owns, with these
   * maps (lines of uid_map and gid_map). Its pid is given to `inside`; then it is killed and reaped.
   */
  inUserNamespace<T>(flags: number, uidMap: string, gidMap: string, inside: (pid: number) => T): T;
  /** RTM_NEWLINK: sets `lo` up in the namespace that the calling thread is in. */
  setLoopbackUp(): void;
}

export interface Stat {
  dev: bigint;
  ino: bigint;
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  rdev: bigint;
  size: number;
  /** 512-byte units on disk. */
  blocks: number;
  /** Nanoseconds since the epoch. */
  mtime: bigint;
  ctime: bigint;
}

export interface StatFs {
  /** Magic number of the file system, e.g. EXT4_SUPER_MAGIC. */
  type: number;
  blockSize: number;
  blocks: number;
  blocksFree: number;
  blocksAvailable: number;
  files: number;
  filesFree: number;
}

/** A failed system call: `call` is its name, `code` the errno, `detail` what it was asked to do. */
export class Errno extends Error {
  override name = "Errno";
  constructor(readonly call: string, readonly code: number, readonly text: string, readonly detail: string) {
    super(`${call} ${detail}: ${text}`);
  }
}
