/*
 * old_kernel CALLS PROGRAM [ARGUMENT...]: runs PROGRAM as on a kernel that cannot do some things, which the letters of
 * CALLS name, with the errors that such a kernel has:
 *   f  EROFS from a file (before Linux 6.12)
 *   l  overlayfs's `lowerdir+` (before Linux 6.5)
 *   e  EROFS at all
 *   o  overlayfs at all
 */
#include "../support/notifier.h"
#include <fcntl.h>
#include <stdint.h>

#define FSCONFIG_SET_STRING_COMMAND 1

/* A text of the asking process; empty where it cannot be read. */
static void text_of(pid_t pid, uint64_t address, char *into, size_t length) {
  char path[64];
  into[0] = 0;
  snprintf(path, sizeof path, "/proc/%d/mem", pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  ssize_t count = 0, more;
  /* Byte by byte: what follows the text may not be there. */
  while (count < (ssize_t)length - 1 && (more = pread(fd, into + count, 1, (off_t)(address + count))) == 1) {
    if (into[count++] == 0) break;
  }
  into[count] = 0;
  close(fd);
}

static int missing(const char *type, const char *calls) {
  return (strchr(calls, 'e') && !strcmp(type, "erofs")) || (strchr(calls, 'o') && !strcmp(type, "overlay"));
}

static int refusal(const struct seccomp_notif *asked, const char *calls) {
  const __u64 *given = asked->data.args;
  char text[256];
  switch (asked->data.nr) {
  case __NR_mount:
    text_of(asked->pid, given[2], text, sizeof text);
    if (missing(text, calls)) return ENODEV;
    if (strcmp(text, "erofs")) return 0;
    text_of(asked->pid, given[0], text, sizeof text);
    return strchr(calls, 'f') && strncmp(text, "/dev/", 5) ? ENOTBLK : 0;
  case __NR_fsopen:
    text_of(asked->pid, given[0], text, sizeof text);
    return missing(text, calls) ? ENODEV : 0;
  case __NR_fsconfig:
    if (given[1] != FSCONFIG_SET_STRING_COMMAND) return 0;
    text_of(asked->pid, given[2], text, sizeof text);
    return strchr(calls, 'l') && !strcmp(text, "lowerdir+") ? EINVAL : 0;
  }
  return 0;
}

static void supervise(int listener, void *calls) {
  for (;;) {
    struct pollfd polled = {.fd = listener, .events = POLLIN};
    if (poll(&polled, 1, -1) < 0 && errno != EINTR) return;
    if (polled.revents & (POLLHUP | POLLERR | POLLNVAL)) return;
    if (!(polled.revents & POLLIN)) continue;
    struct seccomp_notif asked;
    memset(&asked, 0, sizeof asked);
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) < 0) continue;
    int error = refusal(&asked, calls);
    struct seccomp_notif_resp answer = {.id = asked.id};
    if (error) answer.error = -error;
    else answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
  }
}

int main(int count, char **arguments) {
  if (count < 3) { fprintf(stderr, "usage: %s CALLS PROGRAM [ARGUMENT...]\n", arguments[0]); return 2; }
  struct sock_filter code[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    NOTIFY(__NR_mount), NOTIFY(__NR_fsopen), NOTIFY(__NR_fsconfig),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  return run_notified(code, sizeof code / sizeof code[0], supervise, arguments[1], arguments + 2);
}
