/*
 * The first process of a pod that shares its pid namespace: it reaps what is left to it and ends on SIGTERM or SIGINT.
 * No libc: the two loops below are all there is, so a pod pays a few pages for it. Built by scripts/static-programs.
 *
 * The signals are blocked and waited for. For the first process of a namespace the kernel drops signals that have no
 * handler, but never those that are blocked.
 */
#if defined(__x86_64__)
#define SYS_rt_sigprocmask 14
#define SYS_exit_group 231
#define SYS_wait4 61
#define SYS_rt_sigtimedwait 128
static long call4(long number, long a, long b, long c, long d) {
  long result;
  register long r10 __asm__("r10") = d;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
#define SYS_rt_sigprocmask 135
#define SYS_exit_group 94
#define SYS_wait4 260
#define SYS_rt_sigtimedwait 137
static long call4(long number, long a, long b, long c, long d) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
  return x0;
}
#else
#error "pause is written for x86_64 and aarch64"
#endif

#define SIGINT 2
#define SIGTERM 15
#define SIGCHLD 17
#define SIG_BLOCK 0
#define WNOHANG 1
#define BIT(signal) (1UL << ((signal) - 1))

__attribute__((noreturn)) void _start(void) {
  unsigned long awaited = BIT(SIGINT) | BIT(SIGTERM) | BIT(SIGCHLD);
  call4(SYS_rt_sigprocmask, SIG_BLOCK, (long)&awaited, 0, sizeof awaited);
  for (;;) {
    /* Children may have died before the signals were blocked, and many deaths may be one signal. */
    while (call4(SYS_wait4, -1, 0, WNOHANG, 0) > 0) {
    }
    long signal = call4(SYS_rt_sigtimedwait, (long)&awaited, 0, 0, sizeof awaited);
    if (signal == SIGINT || signal == SIGTERM) call4(SYS_exit_group, 0, 0, 0, 0);
  }
}
