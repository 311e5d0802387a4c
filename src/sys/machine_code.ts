import { errno, libc } from "./libc_symbols.ts";
import { failure } from "./errno.ts";
import { favourable } from "./thread_priority.ts";

/**
 * Two routines that libc does not offer, as machine code in a page of their own (written, then made read-and-execute):
 *
 * - `syscall`: long f(number, a, b, c, d, e, f), returning the result or -errno. libc's own puts the error into the
 *   errno of the thread that made the call, which JavaScript cannot read when that is a pool thread. First it favours its
 *   thread: what a pool thread holds when a busy machine lets it wait (the pool's own lock), the main thread waits for.
 * - `sleeper`: the child of a clone that shares our memory. It asks to be killed when its parent dies, then sleeps for
 *   ever without touching memory: not libc's `pause`, which writes to the thread's control block, and that is ours.
 */
interface Routines {
  syscall: Deno.PointerObject;
  sleeper: Deno.PointerObject;
}

// deno-fmt-ignore
const X86_64 = {
  syscall: [
    0x57, 0x56, 0x52, 0x51, // push rdi, rsi, rdx, rcx
    0x41, 0x50, 0x41, 0x51, // push r8, r9
    0xb8, 0x3a, 0x01, 0, 0, // mov eax, SYS_sched_setattr
    0x31, 0xff, // xor edi, edi
    0x48, 0x8d, 0x35, 0xaa, 0, 0, 0, // lea rsi, [rip + attributes]
    0x31, 0xd2, // xor edx, edx
    0x0f, 0x05, // syscall
    0x41, 0x59, 0x41, 0x58, // pop r9, r8
    0x59, 0x5a, 0x5e, 0x5f, // pop rcx, rdx, rsi, rdi
    0x48, 0x89, 0xf8, // mov rax, rdi
    0x48, 0x89, 0xf7, // mov rdi, rsi
    0x48, 0x89, 0xd6, // mov rsi, rdx
    0x48, 0x89, 0xca, // mov rdx, rcx
    0x4d, 0x89, 0xc2, // mov r10, r8
    0x4d, 0x89, 0xc8, // mov r8, r9
    0x4c, 0x8b, 0x4c, 0x24, 0x08, // mov r9, [rsp+8]
    0x0f, 0x05, // syscall
    0xc3, // ret
  ],
  sleeper: [
    0xbf, 1, 0, 0, 0, // mov edi, PR_SET_PDEATHSIG
    0xbe, 9, 0, 0, 0, // mov esi, SIGKILL
    0xb8, 157, 0, 0, 0, // mov eax, SYS_prctl
    0x0f, 0x05, // syscall
    0x31, 0xff, // again: xor edi, edi
    0x31, 0xf6, // xor esi, esi
    0x31, 0xd2, // xor edx, edx
    0x45, 0x31, 0xd2, // xor r10d, r10d
    0x45, 0x31, 0xc0, // xor r8d, r8d
    0xb8, 0x0f, 0x01, 0, 0, // mov eax, SYS_ppoll
    0x0f, 0x05, // syscall
    0xeb, 0xeb, // jmp again
  ],
};

// deno-fmt-ignore
const AARCH64 = {
  syscall: words([
    0xaa0003e9, // mov x9, x0
    0xaa0103ea, // mov x10, x1
    0xaa0203eb, // mov x11, x2
    0xd2800000, // mov x0, 0
    0x10000581, // adr x1, attributes
    0xd2800002, // mov x2, 0
    0xd2802248, // mov x8, SYS_sched_setattr
    0xd4000001, // svc #0
    0xaa0903e8, // mov x8, x9
    0xaa0a03e0, // mov x0, x10
    0xaa0b03e1, // mov x1, x11
    0xaa0303e2, // mov x2, x3
    0xaa0403e3, // mov x3, x4
    0xaa0503e4, // mov x4, x5
    0xaa0603e5, // mov x5, x6
    0xd4000001, // svc #0
    0xd65f03c0, // ret
  ]),
  sleeper: words([
    0xd2800020, // mov x0, PR_SET_PDEATHSIG
    0xd2800121, // mov x1, SIGKILL
    0xd28014e8, // mov x8, SYS_prctl
    0xd4000001, // svc #0
    0xd2800000, // again: mov x0, 0
    0xd2800001, // mov x1, 0
    0xd2800002, // mov x2, 0
    0xd2800003, // mov x3, 0
    0xd2800004, // mov x4, 0
    0xd2800928, // mov x8, SYS_ppoll
    0xd4000001, // svc #0
    0x17fffff9, // b again
  ]),
};

function words(instructions: number[]): number[] {
  return instructions.flatMap((word) => [word & 0xff, (word >>> 8) & 0xff, (word >>> 16) & 0xff, word >>> 24]);
}

const PAGE = 4096n;
const SLEEPER_OFFSET = 128;
/** The routine has its distance from here written into it. */
const ATTRIBUTES_OFFSET = 192;
/**
 * Less than the main thread's. Where the caller may not have it (CAP_SYS_NICE), the thread stays as it is.
 */
const POOL_NICE = -10;
const PROT_READ_WRITE = 3;
const PROT_READ_EXECUTE = 5;
const MAP_PRIVATE_ANONYMOUS = 0x22;

let routines: Routines | undefined;

export function machineCode(): Routines {
  return routines ??= install();
}

function install(): Routines {
  const page = libc().mmap(null, PAGE, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0n);
  if (page === null || Deno.UnsafePointer.value(page) === 0xffffffffffffffffn) {
    throw failure(errno(), "mmap", "a page for machine code");
  }
  const code = Deno.build.arch === "x86_64" ? X86_64 : AARCH64;
  const image = new Uint8Array(256);
  image.set(code.syscall, 0);
  image.set(code.sleeper, SLEEPER_OFFSET);
  image.set(favourable(POOL_NICE), ATTRIBUTES_OFFSET);
  libc().memcpy(page, image, BigInt(image.length));
  if (libc().mprotect(page, PAGE, PROT_READ_EXECUTE) < 0) {
    throw failure(errno(), "mprotect", "a page for machine code (the daemon's sandbox must allow executable memory)");
  }
  return { syscall: page, sleeper: Deno.UnsafePointer.offset(page, SLEEPER_OFFSET)! };
}
