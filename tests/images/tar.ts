/** Writes tar archives for test images: exactly what is asked for, valid or hostile, the same bytes every time. */
import { Buffer } from "node:buffer";

export interface Entry {
  path: string;
  /** "0" file, "1" hard link, "2" symbolic link, "3" character device, "5" directory, "6" fifo. */
  type?: "0" | "1" | "2" | "3" | "4" | "5" | "6";
  mode?: number;
  uid?: number;
  gid?: number;
  link?: string;
  data?: Uint8Array | string;
  /** Claimed size where it shall differ from the data's. */
  size?: number;
  device?: [number, number];
  /** PAX records, e.g. `SCHILY.xattr.user.name`; long paths and large numbers get theirs by themselves. */
  pax?: Record<string, string>;
}

const block = 512;
/** 2023-11-14T22:13:20Z, for everything. */
const time = 1_700_000_000;

function octal(header: Buffer, at: number, length: number, value: number): void {
  header.write(value.toString(8).padStart(length - 1, "0") + "\0", at, length, "latin1");
}

function header(path: Buffer, link: Buffer, entry: Entry, type: string, size: number): Buffer {
  const bytes = Buffer.alloc(block);
  path.copy(bytes, 0, 0, 100);
  octal(bytes, 100, 8, entry.mode ?? (type === "5" || type === "1" ? 0o755 : type === "2" ? 0o777 : 0o644));
  octal(bytes, 108, 8, Math.min(entry.uid ?? 0, 0o7777777));
  octal(bytes, 116, 8, Math.min(entry.gid ?? 0, 0o7777777));
  octal(bytes, 124, 12, size);
  octal(bytes, 136, 12, time);
  bytes.write("        ", 148, 8, "latin1");
  bytes.write(type, 156, 1, "latin1");
  link.copy(bytes, 157, 0, 100);
  bytes.write("ustar\x0000", 257, 8, "latin1");
  octal(bytes, 329, 8, entry.device?.[0] ?? 0);
  octal(bytes, 337, 8, entry.device?.[1] ?? 0);
  let sum = 0;
  for (const byte of bytes) sum += byte;
  bytes.write(sum.toString(8).padStart(6, "0") + "\0 ", 148, 8, "latin1");
  return bytes;
}

function paxRecord(key: string, value: string): Buffer {
  const rest = Buffer.byteLength(key) + Buffer.byteLength(value) + 3;
  let length = rest + 1;
  while (String(length).length + rest !== length) length = String(length).length + rest;
  return Buffer.from(`${length} ${key}=${value}\n`);
}

const padding = (size: number) => Buffer.alloc((block - size % block) % block);

/** The blocks of one entry. */
export function* entryBlocks(entry: Entry): Generator<Uint8Array> {
  const type = entry.type ?? "0";
  const path = Buffer.from(type === "5" && !entry.path.endsWith("/") ? entry.path + "/" : entry.path);
  const link = Buffer.from(entry.link ?? "");
  const data = typeof entry.data === "string" ? Buffer.from(entry.data) : entry.data ?? Buffer.alloc(0);
  const pax: Record<string, string> = { ...entry.pax };
  if (path.length > 100) pax.path = path.toString();
  if (link.length > 100) pax.linkpath = link.toString();
  if ((entry.uid ?? 0) > 0o7777777) pax.uid = String(entry.uid);
  if ((entry.gid ?? 0) > 0o7777777) pax.gid = String(entry.gid);
  if (Object.keys(pax).length > 0) {
    const body = Buffer.concat(Object.entries(pax).map(([key, value]) => paxRecord(key, value)));
    yield header(Buffer.from("pax"), Buffer.alloc(0), {} as Entry, "x", body.length);
    yield body;
    yield padding(body.length);
  }
  yield header(path, link, entry, type, entry.size ?? data.length);
  if (data.length > 0) {
    yield data;
    yield padding(data.length);
  }
}

/** A whole archive, for what fits in memory. */
export function tar(entries: Iterable<Entry>): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const entry of entries) parts.push(...entryBlocks(entry));
  parts.push(new Uint8Array(2 * block));
  return Buffer.concat(parts);
}
