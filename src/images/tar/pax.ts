import { type ByteString, byteString, type Xattr } from "./entry.ts";
import { sparseFromPax } from "./sparse.ts";

/** What one PAX extended header says; missing fields are not said. */
export interface PaxFields {
  path?: ByteString;
  link?: ByteString;
  size?: number;
  uid?: number;
  gid?: number;
  mtime?: { seconds: number; nanoseconds: number };
  xattrs: Xattr[];
  sparse?: PaxSparse;
}

/** Sparse files in PAX form; version 1.0 keeps the map at the start of the body. */
export interface PaxSparse {
  name?: ByteString;
  realSize?: number;
  segments: number[];
  mapInBody: boolean;
}

const XATTR_PREFIX = "SCHILY.xattr.";
const SPACE = 0x20;
const NEWLINE = 0x0a;
const EQUALS = 0x3d;

/** Records are `length key=value\n`; https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html */
export function parsePax(bytes: Uint8Array): PaxFields {
  const fields: PaxFields = { xattrs: [] };
  const sparse: [string, string][] = [];
  for (const [key, value] of records(bytes)) {
    if (key.startsWith("GNU.sparse.")) sparse.push([key.slice("GNU.sparse.".length), byteString(value)]);
    else if (key.startsWith(XATTR_PREFIX)) {
      fields.xattrs.push({ name: key.slice(XATTR_PREFIX.length), value: value.slice() });
    } else assign(fields, key, byteString(value));
  }
  if (sparse.length > 0) fields.sparse = sparseFromPax(sparse);
  return fields;
}

function assign(fields: PaxFields, key: string, value: ByteString): void {
  // An empty value takes back what an earlier header said, so the plain header counts again.
  const unset = value === "";
  switch (key) {
    case "path":
      fields.path = unset ? undefined : value;
      break;
    case "linkpath":
      fields.link = unset ? undefined : value;
      break;
    case "size":
      fields.size = unset ? undefined : decimal(value, key);
      break;
    case "uid":
      fields.uid = unset ? undefined : decimal(value, key);
      break;
    case "gid":
      fields.gid = unset ? undefined : decimal(value, key);
      break;
    case "mtime":
      fields.mtime = unset ? undefined : timestamp(value);
      break;
  }
}

function* records(bytes: Uint8Array): Generator<[ByteString, Uint8Array]> {
  let at = 0;
  while (at < bytes.length) {
    const space = bytes.indexOf(SPACE, at);
    if (space < 0 || space - at > 10) throw new Error("tar: a PAX record has no length");
    const length = decimal(byteString(bytes.subarray(at, space)), "record length");
    const end = at + length;
    if (end > bytes.length || end <= space + 1 || bytes[end - 1] !== NEWLINE) {
      throw new Error("tar: the length of a PAX record is wrong");
    }
    const equals = bytes.indexOf(EQUALS, space + 1);
    if (equals < 0 || equals >= end) throw new Error("tar: a PAX record has no value");
    yield [byteString(bytes.subarray(space + 1, equals)), bytes.subarray(equals + 1, end - 1)];
    at = end;
  }
}

export function decimal(text: string, what: string): number {
  const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(value)) {
    throw new Error(`tar: the PAX ${what} ${JSON.stringify(text.slice(0, 40))} is not a number`);
  }
  return value;
}

function timestamp(text: string): { seconds: number; nanoseconds: number } {
  const match = /^(-?)([0-9]{1,15})(?:\.([0-9]*))?$/.exec(text);
  if (!match) throw new Error(`tar: the PAX mtime ${JSON.stringify(text.slice(0, 40))} is not a number`);
  const seconds = Number(match[2]);
  const nanoseconds = Number(((match[3] ?? "") + "000000000").slice(0, 9));
  if (match[1] === "") return { seconds, nanoseconds };
  return nanoseconds === 0
    ? { seconds: -seconds, nanoseconds }
    : { seconds: -seconds - 1, nanoseconds: 1e9 - nanoseconds };
}
