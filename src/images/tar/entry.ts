/** Names, link targets and xattr names are byte strings: one character per byte (latin1), since a tar promises no encoding. */
export type ByteString = string;

export type EntryKind = "file" | "directory" | "symlink" | "hardlink" | "char" | "block" | "fifo";

/** One member of a tar, with everything that its extension headers said. */
export interface TarEntry {
  kind: EntryKind;
  path: ByteString;
  /** Target of a symlink, or path of a hard link's other name. */
  link: ByteString;
  /** The low 12 bits. */
  mode: number;
  uid: number;
  gid: number;
  mtimeSeconds: number;
  mtimeNanoseconds: number;
  /** Bytes of the body in the tar; for a sparse file fewer than it has when read. */
  size: number;
  /** Where the body starts, counted from the start of the tar; a multiple of 512. */
  dataOffset: number;
  major: number;
  minor: number;
  xattrs: Xattr[];
  sparse?: SparseMap;
}

export interface Xattr {
  name: ByteString;
  value: Uint8Array;
}

/** A file with holes: `segments` holds offset and length by turns, in rising order; their bytes follow each other in the body. */
export interface SparseMap {
  realSize: number;
  segments: number[];
}

/** Arguments of one call. */
const AT_ONCE = 8192;

export function byteString(bytes: Uint8Array): ByteString {
  // In one piece where it can be: a string put together from single characters takes several times its length.
  if (bytes.length <= AT_ONCE) return String.fromCharCode(...bytes);
  let text = "";
  for (let at = 0; at < bytes.length; at += AT_ONCE) text += String.fromCharCode(...bytes.subarray(at, at + AT_ONCE));
  return text;
}

/** The opposite of {@link byteString}. */
export function bytesOf(text: ByteString): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** A byte string as people can read it: UTF-8 where it is, escapes where it is not. */
export function printable(name: ByteString): string {
  return JSON.stringify(new TextDecoder().decode(bytesOf(name)).slice(0, 300));
}
