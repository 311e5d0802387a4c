import { type ByteString, byteString, type Xattr } from "../tar/entry.ts";
import type { Inode } from "./inode.ts";

/** An xattr split the way EROFS stores it: an index for the prefix, the rest of the name, the value. */
export interface StoredXattr {
  index: number;
  suffix: ByteString;
  value: Uint8Array;
}

/** EROFS_XATTR_INDEX_*; the two ACLs have no rest of a name. */
const PREFIXES: [string, number][] = [
  ["system.posix_acl_access", 2],
  ["system.posix_acl_default", 3],
  ["user.", 1],
  ["trusted.", 4],
  ["security.", 6],
];
const OPAQUE: StoredXattr = { index: 4, suffix: "overlay.opaque", value: new Uint8Array([0x79]) };

const NONE: StoredXattr[] = [];

const HEADER_LENGTH = 12;
const ENTRY_LENGTH = 4;
/** Entry names hold at most 255 bytes, and values what fits in 16 bits. */
const MAX_SUFFIX = 255;
const MAX_VALUE = 0xffff;
const MAX_AREA = 0xffff * ENTRY_LENGTH;

export function storedXattrs(inode: Inode): StoredXattr[] {
  if (!inode.xattrs && !inode.opaque) return NONE;
  const byName = new Map<string, StoredXattr>();
  for (const { name, value } of inode.xattrs ?? []) {
    const prefix = PREFIXES.find(([text]) => name.startsWith(text));
    if (!prefix) continue;
    const suffix = name.slice(prefix[0].length);
    if (suffix.length > MAX_SUFFIX || value.length > MAX_VALUE) {
      throw new Error(`the xattr ${JSON.stringify(name.slice(0, 80))} of ${value.length} bytes is too large`);
    }
    byName.set(name, { index: prefix[1], suffix, value });
  }
  const list = [...byName.values()];
  if (inode.opaque) list.push(OPAQUE);
  return list;
}

/** Bytes that the xattrs take behind their inode; 0 for none. */
export function xattrArea(list: StoredXattr[]): number {
  if (list.length === 0) return 0;
  const size = list.reduce((sum, entry) => sum + entrySize(entry), HEADER_LENGTH);
  if (size > MAX_AREA) throw new Error(`the xattrs of one file take ${size} bytes; EROFS holds ${MAX_AREA}`);
  return size;
}

/** The i_xattr_icount of an inode. */
export function xattrCount(area: number): number {
  return area === 0 ? 0 : (area - HEADER_LENGTH) / ENTRY_LENGTH + 1;
}

export function writeXattrs(list: StoredXattr[], bytes: Uint8Array, offset: number): void {
  let at = offset + HEADER_LENGTH;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  for (const entry of list) {
    view.setUint8(at, entry.suffix.length);
    view.setUint8(at + 1, entry.index);
    view.setUint16(at + 2, entry.value.length, true);
    for (let i = 0; i < entry.suffix.length; i++) bytes[at + ENTRY_LENGTH + i] = entry.suffix.charCodeAt(i);
    bytes.set(entry.value, at + ENTRY_LENGTH + entry.suffix.length);
    at += entrySize(entry);
  }
}

/** Bytes that an inode's i_xattr_icount stands for: the opposite of {@link xattrCount}. */
export function xattrBytes(count: number): number {
  return count === 0 ? 0 : HEADER_LENGTH + (count - 1) * ENTRY_LENGTH;
}

/** The opposite of {@link writeXattrs}, of a whole area. */
export function readXattrs(bytes: Uint8Array): Xattr[] {
  if (bytes.length === 0) return [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint8(4) !== 0) throw new Error("xattrs are shared, which skiff never writes");
  const list: Xattr[] = [];
  for (let at = HEADER_LENGTH; at < bytes.length;) {
    const [length, index, size] = [view.getUint8(at), view.getUint8(at + 1), view.getUint16(at + 2, true)];
    const prefix = PREFIXES.find(([, number]) => number === index)?.[0];
    const valueAt = at + ENTRY_LENGTH + length;
    if (prefix === undefined || valueAt + size > bytes.length) throw new Error("an xattr has no name, or no end");
    const suffix = byteString(bytes.subarray(at + ENTRY_LENGTH, valueAt));
    list.push({ name: prefix + suffix, value: bytes.slice(valueAt, valueAt + size) });
    at = valueAt + size + 3 & ~3;
  }
  return list;
}

function entrySize(entry: StoredXattr): number {
  return (ENTRY_LENGTH + entry.suffix.length + entry.value.length + 3) & ~3;
}
