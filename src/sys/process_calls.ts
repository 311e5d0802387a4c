import { EINTR, failure } from "./errno.ts";
import { addressable, errno, libc, SYS } from "./libc_symbols.ts";

export function kill(pid: number, signal: number): void {
  if (libc().kill(pid, signal) < 0) throw failure(errno(), "kill", `process ${pid} with signal ${signal}`);
}

export function pidfdOpen(pid: number): number {
  const fd = Number(libc().pidfd_open(BigInt(SYS.pidfd_open), pid, 0));
  if (fd < 0) throw failure(errno(), "pidfd_open", `process ${pid}`);
  return fd;
}

export function pidfdSendSignal(pidfd: number, signal: number): void {
  if (Number(libc().pidfd_send_signal(BigInt(SYS.pidfd_send_signal), pidfd, signal, null, 0)) < 0) {
    throw failure(errno(), "pidfd_send_signal", `descriptor ${pidfd} with signal ${signal}`);
  }
}

export function getpid(): number {
  return libc().getpid();
}

export function umask(mask: number): number {
  return libc().umask(mask);
}

export function prctl(option: number, a: number, b = 0, c = 0, d = 0): number {
  const result = libc().prctl(option, BigInt(a), BigInt(b), BigInt(c), BigInt(d));
  if (result < 0) throw failure(errno(), "prctl", `option ${option} (${a}, ${b}, ${c}, ${d})`);
  return result;
}

export function getrlimit(resource: number): { soft: bigint; hard: bigint } {
  const buffer = addressable(16);
  if (libc().getrlimit(resource, buffer) < 0) throw failure(errno(), "getrlimit", `resource ${resource}`);
  const view = new DataView(buffer.buffer);
  return { soft: view.getBigUint64(0, true), hard: view.getBigUint64(8, true) };
}

const WNOHANG = 1;

/** How our child ended, or undefined while it runs. Reaps it. */
export function reapIfEnded(pid: number): { code: number; signal: number } | undefined {
  const buffer = addressable(4);
  const result = libc().waitpid(pid, buffer, WNOHANG);
  if (result < 0) throw failure(errno(), "waitpid", `process ${pid}`);
  if (result === 0) return undefined;
  const status = new DataView(buffer.buffer).getInt32(0, true);
  const signal = status & 0x7f;
  return signal === 0 ? { code: (status >> 8) & 0xff, signal } : { code: 128 + signal, signal };
}

/** Waits for our child, which was killed and so ends at once. */
export function reap(pid: number): void {
  const status = addressable(4);
  while (libc().waitpid(pid, status, 0) < 0) {
    const code = errno();
    if (code !== EINTR) throw failure(code, "waitpid", `process ${pid}`);
  }
}
