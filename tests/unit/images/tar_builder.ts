import { concatAll as concat } from "../../support/bytes.ts";

export { concat };

/** A tar writer for tests: it writes what it is told, right or wrong. */
export interface Member {
  path: string | Uint8Array;
  /** The type flag; default: "0", a file. */
  type?: string;
  content?: Uint8Array | string;
  mode?: number;
  uid?: number;
  gid?: number;
  mtime?: number;
  link?: string | Uint8Array;
  major?: number;
  minor?: number;
  /** Records of a PAX header before it. */
  pax?: Record<string, string | Uint8Array>;
  /** The text of such a header, as it is, where records repeat or are wrong. */
  rawPax?: string;
  /** Size in the header, when it is not the content's. */
  size?: number;
  /** Changes the finished header, before the checksum. */
  patch?: (header: Uint8Array) => void;
}

const encoder = new TextEncoder();

export function tar(members: Member[], end = true): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const member of members) {
    if (member.pax || member.rawPax !== undefined) {
      const list = Object.entries(member.pax ?? {}).map(([key, value]) => paxRecord(key, bytesOf(value)));
      const records = concat([...list, bytesOf(member.rawPax ?? "")]);
      parts.push(header({ path: "pax", type: "x" }, records.length), pad(records));
    }
    const content = bytesOf(member.content ?? "");
    parts.push(header(member, member.size ?? content.length), pad(content));
  }
  if (end) parts.push(new Uint8Array(1024));
  return concat(parts);
}

export function directory(path: string | Uint8Array, mode = 0o755, rest: Partial<Member> = {}): Member {
  return { path, type: "5", mode, ...rest };
}

export function file(
  path: string | Uint8Array,
  content: Uint8Array | string = "x",
  rest: Partial<Member> = {},
): Member {
  return { path, content, ...rest };
}

export function symlink(path: string, link: string): Member {
  return { path, type: "2", link, mode: 0o777 };
}

function header(member: Member, size: number): Uint8Array {
  const block = new Uint8Array(512);
  const put = (offset: number, length: number, bytes: Uint8Array) => block.set(bytes.subarray(0, length), offset);
  put(0, 100, bytesOf(member.path));
  octal(block, 100, 8, member.mode ?? 0o644);
  octal(block, 108, 8, member.uid ?? 0);
  octal(block, 116, 8, member.gid ?? 0);
  octal(block, 124, 12, size);
  octal(block, 136, 12, member.mtime ?? 1_700_000_000);
  block[156] = (member.type ?? "0").charCodeAt(0);
  put(157, 100, bytesOf(member.link ?? ""));
  put(257, 8, encoder.encode("ustar\x0000"));
  octal(block, 329, 8, member.major ?? 0);
  octal(block, 337, 8, member.minor ?? 0);
  member.patch?.(block);
  block.fill(0x20, 148, 156);
  octal(block, 148, 7, block.reduce((sum, byte) => sum + byte, 0));
  return block;
}

/** Octal digits and a NUL; what does not fit goes in binary. */
function octal(block: Uint8Array, offset: number, length: number, value: number): void {
  const digits = value < 0 ? "" : value.toString(8).padStart(length - 1, "0");
  if (value >= 0 && digits.length < length) {
    block.set(encoder.encode(digits + "\0"), offset);
    return;
  }
  let rest = BigInt.asUintN(length * 8, BigInt(value));
  for (let i = length - 1; i >= 0; i--) {
    block[offset + i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  block[offset] |= 0x80;
}

function paxRecord(key: string, value: Uint8Array): Uint8Array {
  const body = concat([encoder.encode(` ${key}=`), value, encoder.encode("\n")]);
  let length = body.length + 1;
  while (String(length).length + body.length !== length) length = String(length).length + body.length;
  return concat([encoder.encode(String(length)), body]);
}

function pad(bytes: Uint8Array): Uint8Array {
  const padded = new Uint8Array(Math.ceil(bytes.length / 512) * 512);
  padded.set(bytes);
  return padded;
}

function bytesOf(text: string | Uint8Array): Uint8Array {
  return typeof text === "string" ? encoder.encode(text) : text;
}
