import { AT_FDCWD, AT_REMOVEDIR, O_WRONLY, POSIX_FADV_DONTNEED } from "./constants.ts";
import { close, open } from "./descriptors.ts";
import { EINTR, failure } from "./errno.ts";
import { addressable, addressableCString, addressOf, cString, SYS } from "./libc_symbols.ts";
import { machineCode } from "./machine_code.ts";

const SIGNATURE = {
  parameters: ["i64", "i64", "i64", "i64", "i64", "i64", "i64"],
  result: "i64",
  nonblocking: true,
} as const;

let trampoline: Deno.UnsafeFnPointer<typeof SIGNATURE> | undefined;

// Deno does not keep buffers of a call on another thread alive: this does until the call is over.
const inFlight = new Set<Uint8Array[]>();

/**
 * Makes a system call on a thread of Deno's pool and resolves with its result or -errno. `buffers` are those whose
 * addresses are among the arguments. Each pending call takes one of the pool's 32 threads, on which every asynchronous
 * file operation of Deno runs, too: use {@link offThread} for anything that may take long.
 */
export async function rawSyscall(
  number: number,
  args: readonly (number | bigint)[],
  buffers: Uint8Array[] = [],
): Promise<number> {
  trampoline ??= new Deno.UnsafeFnPointer(machineCode().syscall as Deno.PointerObject<any>, SIGNATURE);
  const [a = 0n, b = 0n, c = 0n, d = 0n, e = 0n, f = 0n] = args.map(BigInt);
  inFlight.add(buffers);
  try {
    return Number(await trampoline.call(BigInt(number), a, b, c, d, e, f));
  } finally {
    inFlight.delete(buffers);
  }
}

const AT_MOST = 8;
let running = 0;
const waiting: (() => void)[] = [];

/** As {@link rawSyscall}, at most eight at a time, so that a slow disk cannot take the whole pool. */
export async function limitedSyscall(
  call: keyof typeof SYS,
  args: readonly (number | bigint)[],
  buffers: Uint8Array[],
): Promise<number> {
  if (running >= AT_MOST) await new Promise<void>((resolve) => waiting.push(resolve));
  else running++;
  try {
    let result: number;
    do result = await rawSyscall(SYS[call], args, buffers); while (result === -EINTR);
    return result;
  } finally {
    const next = waiting.shift();
    if (next) next();
    else running--;
  }
}

async function offThread(
  call: keyof typeof SYS,
  args: readonly (number | bigint)[],
  buffers: Uint8Array[],
  detail: string,
): Promise<void> {
  const result = await limitedSyscall(call, args, buffers);
  if (result < 0) throw failure(-result, call, detail);
}

/** unlinkat(2) of a NUL-ended name: 0, or the error number. On a busy disk it waits for the journal. */
export async function unlinkAt(dirfd: number, name: Uint8Array, flags: number): Promise<number> {
  const buffer = addressable(name.length);
  buffer.set(name);
  return -await limitedSyscall("unlinkat", [dirfd, addressOf(buffer), flags], [buffer]);
}

/** close(2) of the last descriptor of something that was removed frees it, on the disk, too. */
export function closeOffThread(fd: number): Promise<void> {
  return offThread("close", [fd], [], `descriptor ${fd}`);
}

export function fsync(fd: number): Promise<void> {
  return offThread("fsync", [fd], [], `descriptor ${fd}`);
}

export function fdatasync(fd: number): Promise<void> {
  return offThread("fdatasync", [fd], [], `descriptor ${fd}`);
}

/** syncfs(2): all that was written to the file system that the descriptor is on. */
export function syncFileSystem(fd: number): Promise<void> {
  return offThread("syncfs", [fd], [], `descriptor ${fd}`);
}

/** posix_fadvise(2) with DONTNEED of a whole file: what of it is in the page cache, and written, is freed. */
export function forgetCached(fd: number): Promise<void> {
  return offThread("fadvise64", [fd, 0, 0, POSIX_FADV_DONTNEED], [], `descriptor ${fd}`);
}

export async function umount(target: string, flags: number): Promise<void> {
  const path = addressableCString(target);
  await offThread("umount2", [addressOf(path), flags], [path], `${target} (flags ${flags})`);
}

export async function unlinkOffThread(path: string): Promise<void> {
  const name = addressableCString(path);
  await offThread("unlinkat", [AT_FDCWD, addressOf(name), 0], [name], path);
}

export async function rmdirOffThread(path: string): Promise<void> {
  const name = addressableCString(path);
  await offThread("unlinkat", [AT_FDCWD, addressOf(name), AT_REMOVEDIR], [name], path);
}

export async function writeControlOffThread(path: string, content: string): Promise<void> {
  const fd = open(path, O_WRONLY);
  try {
    const bytes = addressableCString(content);
    // Without the NUL at its end.
    await offThread(
      "write",
      [fd, addressOf(bytes), cString(content).length - 1],
      [bytes],
      `${JSON.stringify(content)} to ${path}`,
    );
  } finally {
    close(fd);
  }
}
