/*
 * fsync_delay MILLISECONDS PROGRAM [ARGUMENT...]: runs PROGRAM on a disk whose fsync takes that long.
 *
 * fsync, fdatasync, syncfs, sync_file_range and msync of the program and all its children go on after the time has passed.
 * Unlike a sleeping file system this needs no device.
 */
#include "../support/notifier.h"
#include <time.h>

#define WAITING_AT_MOST 4096

static long long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* Lets each call go on when its time has come. */
static void supervise(int listener, void *settings) {
  static struct { unsigned long long id; long long due; } waiting[WAITING_AT_MOST];
  int delay = *(int *)settings, count = 0;
  for (;;) {
    struct pollfd polled = {.fd = listener, .events = POLLIN};
    int timeout = -1;
    if (count > 0) {
      long long left = waiting[0].due - now();
      timeout = left > 0 ? (int)left : 0;
    }
    if (poll(&polled, 1, timeout) < 0 && errno != EINTR) return;
    if (polled.revents & (POLLHUP | POLLERR | POLLNVAL)) return;
    if ((polled.revents & POLLIN) && count < WAITING_AT_MOST) {
      struct seccomp_notif asked;
      memset(&asked, 0, sizeof asked);
      if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) == 0) {
        waiting[count].id = asked.id;
        waiting[count++].due = now() + delay;
      }
    }
    int done = 0;
    while (done < count && waiting[done].due <= now()) {
      struct seccomp_notif_resp answer = {.id = waiting[done++].id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
      ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
    }
    memmove(waiting, waiting + done, (count -= done) * sizeof waiting[0]);
  }
}

int main(int count, char **arguments) {
  if (count < 3) { fprintf(stderr, "usage: %s MILLISECONDS PROGRAM [ARGUMENT...]\n", arguments[0]); return 2; }
  struct sock_filter code[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    NOTIFY(__NR_fsync), NOTIFY(__NR_fdatasync), NOTIFY(__NR_syncfs), NOTIFY(__NR_sync_file_range), NOTIFY(__NR_msync),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  int delay = atoi(arguments[1]);
  return run_notified(code, sizeof code / sizeof code[0], supervise, &delay, arguments + 2);
}
