import { EOPNOTSUPP, isErrno, type Kernel } from "../sys/mod.ts";

const ACL = "system.posix_acl_access";
const ACL_VERSION = 2;
const NO_ID = 0xffffffff;
const EXECUTE = 1;

// Kinds of entries, as linux/posix_acl.h numbers them: an access control list is sorted by them.
const ACL_USER_OBJ = 0x01;
const ACL_GROUP_OBJ = 0x04;
const ACL_GROUP = 0x08;
const ACL_MASK = 0x10;
const ACL_OTHER = 0x20;

interface Entry {
  kind: number;
  permissions: number;
  id: number;
}

/**
 * Lets a group pass through a folder that is closed to others, by an entry in its access control list: root of a pod's user
 * namespace must reach its root file system, and the mode bits have room for the group of one pod only. A folder that is
 * open to all stays as it is.
 */
export function admitGroup(kernel: Kernel, folder: string, gid: number): void {
  if (kernel.stat(folder).mode & EXECUTE) return;
  try {
    const others = entriesOf(kernel, folder).filter((entry) => !isOf(entry, gid));
    write(kernel, folder, [...others, { kind: ACL_GROUP, permissions: EXECUTE, id: gid }]);
  } catch (error) {
    if (!isErrno(error, EOPNOTSUPP)) throw error;
    // A file system without such lists. What is below is closed on its own, and its names are not listed.
    kernel.chmod(folder, 0o711);
  }
}

/** Takes back what {@link admitGroup} gave. Repeatable; a folder that is gone is fine. */
export function dismissGroup(kernel: Kernel, folder: string, gid: number): void {
  if (!kernel.exists(folder)) return;
  const entries = entriesOf(kernel, folder);
  const others = entries.filter((entry) => !isOf(entry, gid));
  if (others.length < entries.length) write(kernel, folder, others);
}

function isOf({ kind, id }: Entry, gid: number): boolean {
  return kind === ACL_GROUP && id === gid;
}

/** Without the mask, which follows from the rest. */
function entriesOf(kernel: Kernel, folder: string): Entry[] {
  const bytes = listOf(kernel, folder);
  if (bytes === undefined) {
    const { mode } = kernel.stat(folder);
    return [[ACL_USER_OBJ, mode >> 6], [ACL_GROUP_OBJ, mode >> 3], [ACL_OTHER, mode]].map(([kind, bits]) => ({
      kind,
      permissions: bits & 7,
      id: NO_ID,
    }));
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const entries: Entry[] = [];
  for (let offset = 4; offset + 8 <= bytes.length; offset += 8) {
    const kind = view.getUint16(offset, true);
    if (kind === ACL_MASK) continue;
    entries.push({ kind, permissions: view.getUint16(offset + 2, true), id: view.getUint32(offset + 4, true) });
  }
  return entries;
}

function listOf(kernel: Kernel, folder: string): Uint8Array | undefined {
  try {
    return kernel.getxattr(folder, ACL);
  } catch (error) {
    if (isErrno(error, EOPNOTSUPP)) return undefined;
    throw error;
  }
}

/** A list of no more than the three classes becomes mode bits. */
function write(kernel: Kernel, folder: string, entries: Entry[]): void {
  const all = [...entries];
  if (entries.length > 3) {
    const inMask = entries.filter(({ kind }) => kind !== ACL_USER_OBJ && kind !== ACL_OTHER);
    all.push({ kind: ACL_MASK, permissions: inMask.reduce((bits, entry) => bits | entry.permissions, 0), id: NO_ID });
  }
  all.sort((a, b) => a.kind - b.kind);
  const bytes = new Uint8Array(4 + all.length * 8);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, ACL_VERSION, true);
  for (const [index, { kind, permissions, id }] of all.entries()) {
    view.setUint16(4 + index * 8, kind, true);
    view.setUint16(6 + index * 8, permissions, true);
    view.setUint32(8 + index * 8, id, true);
  }
  kernel.setxattr(folder, ACL, bytes);
}
