import type { StoredInode } from "../erofs/reader.ts";
import type { ByteString } from "../tar/entry.ts";
import { visibleXattrs } from "./walk_image.ts";

/** linux/posix_acl_xattr.h: a version, then entries of tag, permissions and ID. */
const ACL_HEADER = 4;
const ACL_ENTRY = 8;
const ACL_USER_OBJ = 0x01;
const ACL_USER = 0x02;
const ACL_GROUP_OBJ = 0x04;
const ACL_GROUP = 0x08;
const ACL_MASK = 0x10;
const ACL_OTHER = 0x20;
const ACL_UNDEFINED_ID = 0xffffffff;

/** linux/capability.h: a revision and flags, then the sets; in the third revision also the ID of a namespace's root. */
const VFS_CAP_REVISION_2 = 2;
const VFS_CAP_REVISION_3 = 3;
const CAPS_LENGTH = 20;
const NS_CAPS_LENGTH = 24;

/**
 * The xattrs that a file of an image has once it was made anew. Not all come back from the kernel as they were given to it:
 * an ACL follows the mode, and is none if it says no more than that; and capabilities of the node's own root name no root.
 */
export function keptXattrs(inode: StoredInode): Map<ByteString, Uint8Array> {
  const kept = new Map<ByteString, Uint8Array>();
  for (const { name, value } of visibleXattrs(inode)) {
    const result = name === "system.posix_acl_access"
      ? keptAcl(value, inode.mode)
      : name === "system.posix_acl_default"
      ? keptAcl(value)
      : name === "security.capability"
      ? keptCapabilities(value)
      : value;
    if (result) kept.set(name, result);
  }
  return kept;
}

/** The labels of security modules come from the node, not from the image. */
export function isOfTheNode(name: ByteString): boolean {
  return name.startsWith("security.") && name !== "security.capability";
}

/** @param mode of the file, where the ACL is about that and not about what is made in a directory. */
function keptAcl(acl: Uint8Array, mode?: number): Uint8Array | undefined {
  const kept = acl.slice();
  const view = new DataView(kept.buffer);
  const entries = Array.from(
    { length: Math.floor((acl.length - ACL_HEADER) / ACL_ENTRY) },
    (_, index) => ACL_HEADER + index * ACL_ENTRY,
  );
  const tags = entries.map((at) => view.getUint16(at, true));
  if (mode !== undefined && !tags.some((tag) => tag === ACL_USER || tag === ACL_GROUP || tag === ACL_MASK)) return;
  if (entries.length === 0) return;
  for (const [index, at] of entries.entries()) {
    const tag = tags[index];
    if (tag !== ACL_USER && tag !== ACL_GROUP) view.setUint32(at + 4, ACL_UNDEFINED_ID, true);
    if (mode === undefined) continue;
    const isGroup = tag === (tags.includes(ACL_MASK) ? ACL_MASK : ACL_GROUP_OBJ);
    const shift = tag === ACL_USER_OBJ ? 6 : isGroup ? 3 : tag === ACL_OTHER ? 0 : undefined;
    if (shift !== undefined) view.setUint16(at + 2, mode >> shift & 7, true);
  }
  return kept;
}

function keptCapabilities(value: Uint8Array): Uint8Array {
  if (value.length !== NS_CAPS_LENGTH || value[3] !== VFS_CAP_REVISION_3) return value;
  if (value.subarray(CAPS_LENGTH).some((byte) => byte !== 0)) return value;
  const kept = value.slice(0, CAPS_LENGTH);
  kept[3] = VFS_CAP_REVISION_2;
  return kept;
}
