import { CLONE_FILES, CLONE_NEWUSER, CLONE_VM, SIGCHLD, SIGKILL } from "./constants.ts";
import { failure } from "./errno.ts";
import { writeControl } from "./files.ts";
import { errno, libc } from "./libc_symbols.ts";
import { machineCode } from "./machine_code.ts";
import { reap } from "./process_calls.ts";

const STACK = 16384;
const PROT_READ_WRITE = 3;
const MAP_PRIVATE_ANONYMOUS_STACK = 0x20022;
const SIG_SETMASK = 2;

/**
 * A process with many threads cannot unshare its user namespace, but a child can be born into one. It shares our memory
 * (no copy of page tables, so the cost does not grow with the daemon) and never runs a line of JavaScript or libc.
 */
export function inUserNamespace<T>(flags: number, uidMap: string, gidMap: string, inside: (pid: number) => T): T {
  const stack = libc().mmap(null, BigInt(STACK), PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS_STACK, -1, 0n);
  if (stack === null || Deno.UnsafePointer.value(stack) === 0xffffffffffffffffn) {
    throw failure(errno(), "mmap", "a stack for a child in a new user namespace");
  }
  try {
    const pid = bornAsleep(Deno.UnsafePointer.offset(stack, STACK)!, flags | CLONE_NEWUSER);
    try {
      // As root the group map needs no "deny" in setgroups; it is written first as the user map is what makes ids work.
      writeControl(`/proc/${pid}/gid_map`, gidMap);
      writeControl(`/proc/${pid}/uid_map`, uidMap);
      return inside(pid);
    } finally {
      libc().kill(pid, SIGKILL);
      reap(pid);
    }
  } finally {
    libc().munmap(stack, BigInt(STACK));
  }
}

function bornAsleep(stackTop: Deno.PointerObject, flags: number): number {
  // The child has copies of our signal handlers, which would run on our memory: it starts with every signal blocked.
  const all = new Uint8Array(128).fill(0xff);
  const before = new Uint8Array(128);
  libc().sigprocmask(SIG_SETMASK, all, before);
  const pid = libc().clone(machineCode().sleeper, stackTop, flags | CLONE_VM | CLONE_FILES | SIGCHLD, null);
  const code = errno();
  libc().sigprocmask(SIG_SETMASK, before, null);
  if (pid < 0) throw failure(code, "clone", `a child in new namespaces 0x${(flags >>> 0).toString(16)}`);
  return pid;
}
