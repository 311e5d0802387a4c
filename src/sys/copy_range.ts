import { ftruncate, pread, pwrite } from "./descriptors.ts";
import { EINVAL, EIO, ENXIO, failure } from "./errno.ts";
import { errno, libc } from "./libc_symbols.ts";

const SEEK_DATA = 3;
const SEEK_HOLE = 4;
/** No file system has smaller holes. */
const SMALLEST_HOLE = 512;
const CHUNK = 1 << 20;

/** Fills an empty file with `size` bytes of another one, from `start` on. Holes stay holes; what has been read is not kept. */
export function copyRange(from: number, start: number, size: number, to: number): void {
  ftruncate(to, size);
  const end = start + size;
  const buffer = new Uint8Array(Math.min(CHUNK, size));
  for (let at = start; at < end;) {
    const data = size < SMALLEST_HOLE ? at : seek(from, at, SEEK_DATA, end);
    const hole = size < SMALLEST_HOLE ? end : Math.min(seek(from, data, SEEK_HOLE, end), end);
    for (let done = data; done < hole;) {
      const count = pread(from, buffer.subarray(0, Math.min(buffer.length, hole - done)), done);
      if (count === 0) throw failure(EIO, "pread", `descriptor ${from}: the file ends at ${done}, not at ${end}`);
      for (let written = 0; written < count;) {
        written += pwrite(to, buffer.subarray(written, count), done - start + written);
      }
      done += count;
    }
    at = hole;
  }
}

/** Where data, or a hole, begins; `end` where there is none. */
function seek(fd: number, from: number, whence: number, end: number): number {
  if (from >= end) return end;
  const found = Number(libc().lseek(fd, BigInt(from), whence));
  if (found >= 0) return Math.min(found, end);
  const code = errno();
  if (code === ENXIO) return end;
  // A file system that knows no holes.
  if (code === EINVAL) return whence === SEEK_DATA ? from : end;
  throw failure(code, "lseek", `descriptor ${fd} from ${from}`);
}
