import { Errno } from "./kernel.ts";

/** Error numbers of Linux on x86_64 and aarch64 that a caller may decide by. */
export const EPERM = 1;
export const ENOENT = 2;
export const ESRCH = 3;
export const EINTR = 4;
export const EIO = 5;
export const ENXIO = 6;
export const E2BIG = 7;
export const ENOEXEC = 8;
export const EBADF = 9;
export const ECHILD = 10;
export const EAGAIN = 11;
export const ENOMEM = 12;
export const EACCES = 13;
export const EFAULT = 14;
export const ENOTBLK = 15;
export const EBUSY = 16;
export const EEXIST = 17;
export const EXDEV = 18;
export const ENODEV = 19;
export const ENOTDIR = 20;
export const EISDIR = 21;
export const EINVAL = 22;
export const ENFILE = 23;
export const EMFILE = 24;
export const ENOTTY = 25;
export const ETXTBSY = 26;
export const EFBIG = 27;
export const ENOSPC = 28;
export const ESPIPE = 29;
export const EROFS = 30;
export const EMLINK = 31;
export const EPIPE = 32;
export const ERANGE = 34;
export const ENAMETOOLONG = 36;
export const ENOSYS = 38;
export const ENOTEMPTY = 39;
export const ELOOP = 40;
export const ENODATA = 61;
export const EOVERFLOW = 75;
export const EUSERS = 87;
export const EOPNOTSUPP = 95;
export const EADDRINUSE = 98;
export const ENETUNREACH = 101;
export const ECONNRESET = 104;
export const ENOTCONN = 107;
export const ETIMEDOUT = 110;
export const ECONNREFUSED = 111;
export const ESTALE = 116;
export const EUCLEAN = 117;
export const EDQUOT = 122;

const TEXTS: Record<number, string> = {
  [EPERM]: "operation not permitted (EPERM)",
  [ENOENT]: "no such file or directory (ENOENT)",
  [ESRCH]: "no such process (ESRCH)",
  [EINTR]: "interrupted (EINTR)",
  [EIO]: "input/output error (EIO)",
  [ENXIO]: "no such device or no reader (ENXIO)",
  [E2BIG]: "argument list or value too long (E2BIG)",
  [ENOEXEC]: "not an executable format (ENOEXEC)",
  [EBADF]: "bad descriptor (EBADF)",
  [ECHILD]: "no child process (ECHILD)",
  [EAGAIN]: "try again (EAGAIN)",
  [ENOMEM]: "out of memory (ENOMEM)",
  [EACCES]: "permission denied (EACCES)",
  [EFAULT]: "bad address (EFAULT)",
  [ENOTBLK]: "not a block device (ENOTBLK)",
  [EBUSY]: "busy (EBUSY)",
  [EEXIST]: "exists already (EEXIST)",
  [EXDEV]: "crosses a mount or leaves the allowed folder (EXDEV)",
  [ENODEV]: "no such device or file system type (ENODEV)",
  [ENOTDIR]: "not a directory (ENOTDIR)",
  [EISDIR]: "is a directory (EISDIR)",
  [EINVAL]: "invalid argument (EINVAL)",
  [ENFILE]: "too many open files in the system (ENFILE)",
  [EMFILE]: "too many open files (EMFILE)",
  [ENOTTY]: "not a terminal (ENOTTY)",
  [ETXTBSY]: "program file is being written (ETXTBSY)",
  [EFBIG]: "file too large (EFBIG)",
  [ENOSPC]: "no space left, or a limit on the number of such objects was reached (ENOSPC)",
  [ESPIPE]: "cannot seek (ESPIPE)",
  [EROFS]: "read-only file system (EROFS)",
  [EMLINK]: "too many links (EMLINK)",
  [EPIPE]: "nobody reads the pipe (EPIPE)",
  [ERANGE]: "result does not fit (ERANGE)",
  [ENAMETOOLONG]: "name too long (ENAMETOOLONG)",
  [ENOSYS]: "this kernel does not have the call (ENOSYS)",
  [ENOTEMPTY]: "directory not empty (ENOTEMPTY)",
  [ELOOP]: "symbolic link in the way, or too many of them (ELOOP)",
  [ENODATA]: "no such attribute (ENODATA)",
  [EOVERFLOW]: "value too large (EOVERFLOW)",
  [EUSERS]: "too many namespaces or users (EUSERS)",
  [EOPNOTSUPP]: "not supported (EOPNOTSUPP)",
  [EADDRINUSE]: "address in use (EADDRINUSE)",
  [ENETUNREACH]: "network unreachable (ENETUNREACH)",
  [ECONNRESET]: "connection reset (ECONNRESET)",
  [ENOTCONN]: "not connected (ENOTCONN)",
  [ETIMEDOUT]: "timed out (ETIMEDOUT)",
  [ECONNREFUSED]: "connection refused (ECONNREFUSED)",
  [ESTALE]: "stale file handle (ESTALE)",
  [EUCLEAN]: "structure needs cleaning (EUCLEAN)",
  [EDQUOT]: "disk quota exceeded (EDQUOT)",
};

/** What an error number means, with its name; `errno N` for one this list lacks. */
export function errnoText(code: number): string {
  return TEXTS[code] ?? `errno ${code}`;
}

/** The error of a call that failed with `code`; `detail` says what the call was asked to do. */
export function failure(code: number, call: string, detail: string): Errno {
  return new Errno(call, code, errnoText(code), detail);
}

/** Whether `error` is an {@link Errno} with one of these codes. */
export function isErrno(error: unknown, ...codes: number[]): error is Errno {
  return error instanceof Errno && codes.includes(error.code);
}
