import { O_DIRECTORY, O_NONBLOCK, O_RDONLY, S_IFDIR, S_IFMT } from "./constants.ts";
import { close, open } from "./descriptors.ts";
import { EEXIST, EFBIG, EISDIR, ENOENT, ENOTDIR, EROFS, failure, isErrno } from "./errno.ts";
import { cString, errno, libc, SYS } from "./libc_symbols.ts";
import { lstat, stat } from "./stat.ts";

const DEFAULT_LIMIT = 100_000;
const DT_DIR = 4;
const DT_REG = 8;
const DT_LNK = 10;
const DT_UNKNOWN = 0;
const decoder = new TextDecoder();

/** One entry as the kernel spells it: `name` is raw bytes with the closing NUL, for names that are not UTF-8. */
export interface RawEntry {
  name: Uint8Array<ArrayBuffer>;
  directory: boolean;
  type: number;
}

/** The next entries of an open directory without `.` and `..`, an empty list at its end. */
export function nextEntries(fd: number, buffer: Uint8Array<ArrayBuffer>, path: string): RawEntry[] | null {
  const count = Number(libc().getdents64(BigInt(SYS.getdents64), fd, buffer, BigInt(buffer.length)));
  if (count < 0) throw failure(errno(), "getdents64", path);
  if (count === 0) return null;
  const view = new DataView(buffer.buffer, buffer.byteOffset);
  const entries: RawEntry[] = [];
  for (let offset = 0; offset < count;) {
    const length = view.getUint16(offset + 16, true);
    const start = offset + 19;
    const end = buffer.indexOf(0, start);
    const name = buffer.slice(start, end + 1);
    offset += length;
    if (name[0] === 0x2e && (name.length === 2 || (name.length === 3 && name[1] === 0x2e))) continue;
    const type = buffer[start - 1];
    entries.push({ name, type, directory: type === DT_DIR || type === DT_UNKNOWN });
  }
  return entries;
}

const TYPES: Record<number, "file" | "directory" | "symlink"> = {
  [DT_DIR]: "directory",
  [DT_REG]: "file",
  [DT_LNK]: "symlink",
};

/** For file systems that do not say the type in the directory. */
function typeOf(path: string): number {
  try {
    return (lstat(path).mode & S_IFMT) >> 12;
  } catch (error) {
    if (isErrno(error, ENOENT)) return DT_UNKNOWN;
    throw error;
  }
}

const scratch = new Uint8Array(64 << 10);

export function readDirectory(
  path: string,
  limit = DEFAULT_LIMIT,
): { name: string; type: "file" | "directory" | "symlink" | "other" }[] {
  const fd = open(path, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
  try {
    const found: { name: string; type: "file" | "directory" | "symlink" | "other" }[] = [];
    for (;;) {
      const batch = nextEntries(fd, scratch, path);
      if (batch === null) return found;
      for (const entry of batch) {
        if (found.length >= limit) throw failure(EFBIG, "getdents64", `${path} (limit ${limit} entries)`);
        const name = decoder.decode(entry.name.subarray(0, -1));
        found.push({ name, type: TYPES[entry.type || typeOf(`${path}/${name}`)] ?? "other" });
      }
    }
  } finally {
    close(fd);
  }
}

export function mkdir(path: string, mode: number): void {
  if (libc().mkdir(cString(path), mode) < 0) throw failure(errno(), "mkdir", path);
}

export function mkdirs(path: string, mode = 0o700): void {
  if (libc().mkdir(cString(path), mode) === 0) return;
  const code = errno();
  const parent = path.replace(/\/+[^/]*\/*$/, "");
  if (code === ENOENT && parent !== "" && parent !== path) {
    mkdirs(parent, mode);
    if (libc().mkdir(cString(path), mode) === 0) return;
    const again = errno();
    if (again === EEXIST) return;
    throw failure(again, "mkdir", path);
  }
  // A read-only parent answers EROFS even where the directory is there.
  if (code !== EEXIST && code !== EISDIR && code !== EROFS) throw failure(code, "mkdir", path);
  try {
    if ((stat(path).mode & S_IFMT) === S_IFDIR) return;
  } catch {
    throw failure(code, "mkdir", path);
  }
  throw failure(ENOTDIR, "mkdir", path);
}

export function rmdir(path: string): void {
  if (libc().rmdir(cString(path)) < 0) throw failure(errno(), "rmdir", path);
}
