import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  MOUNT_ATTR_IDMAP,
  MOVE_MOUNT_F_EMPTY_PATH,
  O_DIRECTORY,
  O_PATH,
  OPEN_TREE_CLOEXEC,
} from "./constants.ts";
import { close, open } from "./descriptors.ts";
import { failure } from "./errno.ts";
import type { Errno } from "./kernel.ts";
import { cString, errno, libc, SYS } from "./libc_symbols.ts";
import { limitedSyscall } from "./off_thread.ts";

const FSOPEN_CLOEXEC = 1;
const FSMOUNT_CLOEXEC = 1;
const FSCONFIG_SET_FLAG = 0;
const FSCONFIG_SET_STRING = 1;
const FSCONFIG_SET_FD = 5;
const FSCONFIG_CMD_CREATE = 6;
const EMPTY = new Uint8Array(1);

export function mount(source: string, target: string, fstype: string | null, flags: number, data?: string): void {
  const result = libc().mount(
    cString(source),
    cString(target),
    fstype === null ? null : cString(fstype),
    BigInt(flags >>> 0),
    data === undefined ? null : cString(data),
  );
  if (result < 0) {
    const code = errno();
    const options = data === undefined ? "" : `, ${data.length > 400 ? data.slice(0, 400) + "…" : data}`;
    throw failure(
      code,
      "mount",
      `${source} on ${target} (${fstype ?? "no type"}, flags 0x${(flags >>> 0).toString(16)}${options})`,
    );
  }
}

export function mountFrom(
  folder: string,
  source: string,
  target: string,
  fstype: string,
  flags: number,
  data: string,
): void {
  // The compiled binary may not read the folder it was started in, so Deno.chdir could not go back there.
  const before = open(".", O_PATH | O_DIRECTORY);
  try {
    if (libc().chdir(cString(folder)) < 0) throw failure(errno(), "chdir", folder);
    mount(source, target, fstype, flags, data);
  } finally {
    // Root can go back to where it was; if not, nothing here uses a relative path.
    libc().fchdir(before);
    close(before);
  }
}

export function umountNow(target: string, flags: number): void {
  if (libc().umount2(cString(target), flags) < 0) throw failure(errno(), "umount2", `${target} (flags ${flags})`);
}

export function fsopen(fstype: string): number {
  const fd = Number(libc().fsopen(BigInt(SYS.fsopen), cString(fstype), FSOPEN_CLOEXEC));
  if (fd < 0) throw failure(errno(), "fsopen", fstype);
  return fd;
}

/** What the file system driver said about its last refusal: the kernel keeps it as text on the context's descriptor. */
function complaint(fd: number): string {
  const lines: string[] = [];
  const buffer = new Uint8Array(1024);
  const decoder = new TextDecoder();
  for (let i = 0; i < 16; i++) {
    const count = Number(libc().read(fd, buffer, 1024n));
    if (count <= 0) break;
    const line = decoder.decode(buffer.slice(0, count)).trim();
    if (line.startsWith("e ")) lines.push(line.slice(2));
  }
  return lines.length === 0 ? "" : ` [${lines.join("; ")}]`;
}

function contextFailure(fd: number, code: number, call: string, detail: string): Errno {
  return failure(code, call, detail + complaint(fd));
}

function fsconfig(
  fd: number,
  command: number,
  key: string | null,
  value: string | null,
  aux: number,
  detail: string,
): void {
  const result = Number(
    libc().fsconfig(
      BigInt(SYS.fsconfig),
      fd,
      command,
      key === null ? null : cString(key),
      value === null ? null : cString(value),
      aux,
    ),
  );
  if (result < 0) throw contextFailure(fd, errno(), "fsconfig", detail);
}

export function fsconfigString(fd: number, key: string, value: string): void {
  fsconfig(fd, FSCONFIG_SET_STRING, key, value, 0, `${key}=${value}`);
}

export function fsconfigFlag(fd: number, key: string): void {
  fsconfig(fd, FSCONFIG_SET_FLAG, key, null, 0, key);
}

export function fsconfigFd(fd: number, key: string, valueFd: number): void {
  fsconfig(fd, FSCONFIG_SET_FD, key, null, valueFd, `${key} from descriptor ${valueFd}`);
}

export function fsconfigCreate(fd: number): void {
  fsconfig(fd, FSCONFIG_CMD_CREATE, null, null, 0, "creating the superblock");
}

/** As {@link fsconfigCreate}: a file system that writes while it is mounted waits for its disk. */
export async function fsconfigCreateOffThread(fd: number): Promise<void> {
  const result = await limitedSyscall("fsconfig", [fd, FSCONFIG_CMD_CREATE, 0, 0, 0], []);
  if (result < 0) throw contextFailure(fd, -result, "fsconfig", "creating the superblock");
}

export function fsmount(fd: number, attributes: number): number {
  const mountFd = Number(libc().fsmount(BigInt(SYS.fsmount), fd, FSMOUNT_CLOEXEC, attributes));
  if (mountFd < 0) throw contextFailure(fd, errno(), "fsmount", `attributes 0x${attributes.toString(16)}`);
  return mountFd;
}

export function moveMount(mountFd: number, target: string): void {
  const result = Number(
    libc().move_mount(
      BigInt(SYS.move_mount),
      mountFd,
      EMPTY,
      AT_FDCWD,
      cString(target),
      MOVE_MOUNT_F_EMPTY_PATH,
    ),
  );
  if (result < 0) throw failure(errno(), "move_mount", `descriptor ${mountFd} to ${target}`);
}

export function openTree(path: string, flags: number): number {
  const all = (flags | OPEN_TREE_CLOEXEC) >>> 0;
  const fd = Number(libc().open_tree(BigInt(SYS.open_tree), AT_FDCWD, cString(path), all));
  if (fd < 0) throw failure(errno(), "open_tree", `${path} (flags 0x${all.toString(16)})`);
  return fd;
}

export function mountSetattr(
  fd: number,
  path: string,
  flags: number,
  attributes: { set?: number; clear?: number; propagation?: number; userns?: number },
): void {
  const set = (attributes.set ?? 0) | (attributes.userns === undefined ? 0 : MOUNT_ATTR_IDMAP);
  const struct = new BigUint64Array([
    BigInt(set >>> 0),
    BigInt((attributes.clear ?? 0) >>> 0),
    BigInt((attributes.propagation ?? 0) >>> 0),
    BigInt(attributes.userns ?? 0),
  ]);
  const all = path === "" ? flags | AT_EMPTY_PATH : flags;
  const result = Number(libc().mount_setattr(BigInt(SYS.mount_setattr), fd, cString(path), all, struct, 32n));
  if (result < 0) {
    const code = errno();
    throw failure(
      code,
      "mount_setattr",
      `${path || `descriptor ${fd}`} (set 0x${set.toString(16)}, clear 0x${(attributes.clear ?? 0).toString(16)})`,
    );
  }
}
