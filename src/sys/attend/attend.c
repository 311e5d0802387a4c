/*
 * Waits for a command that an OCI runtime starts and leaves: attend PID_FILE RUNTIME ARGUMENT...
 *
 * `runtime exec` that stays copies every byte of its command, and waits until nobody holds the command's output any more,
 * however long ago the command has ended. `runtime exec --detach` leaves the command to the next subreaper above: this
 * program. It ends as the command does, or as the runtime if that fails. No libc: a start costs a few pages and no time.
 * Built by scripts/static-programs.
 */
#if defined(__x86_64__)
#define SYS_read 0
#define SYS_open 2
#define SYS_clone 56
#define SYS_execve 59
#define SYS_wait4 61
#define SYS_prctl 157
#define SYS_exit_group 231
#define OPEN(path) call5(SYS_open, (long)(path), 0, 0, 0, 0)
static long call5(long number, long a, long b, long c, long d, long e) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8) : "rcx", "r11", "memory");
  return result;
}
__asm__(".globl _start\n_start:\n  xor %ebp, %ebp\n  mov %rsp, %rdi\n  and $-16, %rsp\n  call attend\n");
#elif defined(__aarch64__)
#define SYS_openat 56
#define SYS_read 63
#define SYS_exit_group 94
#define SYS_prctl 167
#define SYS_clone 220
#define SYS_execve 221
#define SYS_wait4 260
#define AT_FDCWD -100
#define OPEN(path) call5(SYS_openat, AT_FDCWD, (long)(path), 0, 0, 0)
static long call5(long number, long a, long b, long c, long d, long e) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
  return x0;
}
__asm__(".globl _start\n_start:\n  mov x29, #0\n  mov x0, sp\n  bl attend\n");
#else
#error "attend is written for x86_64 and aarch64"
#endif

#define PR_SET_CHILD_SUBREAPER 36
#define SIGCHLD 17
#define EINTR 4

#define EXIT_MISUSED 125
#define EXIT_NOT_EXECUTED 126
#define EXIT_LOST 255

__attribute__((noreturn)) static void leave(int code) {
  for (;;) call5(SYS_exit_group, code, 0, 0, 0, 0);
}

/* Exit code as a shell gives it. */
static int ended(long pid) {
  int status;
  long result;
  do {
    result = call5(SYS_wait4, pid, (long)&status, 0, 0, 0);
  } while (result == -EINTR);
  if (result != pid) return EXIT_LOST;
  return (status & 0x7f) == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f);
}

static long pid_in(const char *path) {
  char text[16];
  long file = OPEN(path);
  if (file < 0) return -1;
  long length = call5(SYS_read, file, (long)text, sizeof text, 0, 0);
  long pid = 0;
  for (long i = 0; i < length && text[i] >= '0' && text[i] <= '9'; i++) pid = pid * 10 + (text[i] - '0');
  return pid;
}

__attribute__((noreturn, used)) void attend(long *stack) {
  long count = stack[0];
  char **arguments = (char **)(stack + 1);
  char **environment = arguments + count + 1;
  if (count < 3) leave(EXIT_MISUSED);
  call5(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  long runtime = call5(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  if (runtime == 0) {
    call5(SYS_execve, (long)arguments[2], (long)(arguments + 2), (long)environment, 0, 0);
    leave(EXIT_NOT_EXECUTED);
  }
  if (runtime < 0) leave(EXIT_NOT_EXECUTED);
  int code = ended(runtime);
  if (code != 0) leave(code);
  long command = pid_in(arguments[1]);
  leave(command > 1 ? ended(command) : EXIT_LOST);
}
