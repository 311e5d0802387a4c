/*
 * fsync_delay MILLISECONDS PROGRAM [ARGUMENT...]: runs PROGRAM on a disk whose fsync takes that long.
 *
 * A seccomp filter hands fsync, fdatasync, syncfs, sync_file_range and msync of the program and all its children to a
 * second process, which lets each go on after the time has passed. Unlike an LD_PRELOAD library it also catches libc that
 * was opened with dlopen, static programs, and other threads; unlike a sleeping file system it needs no device. The
 * program keeps the pid of this one.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WAITING_AT_MOST 4096

static long long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void send_descriptor(int socket, int fd) {
  char data = 0, control[CMSG_SPACE(sizeof fd)] = {0};
  struct iovec io = {&data, 1};
  struct msghdr message = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof fd);
  memcpy(CMSG_DATA(head), &fd, sizeof fd);
  if (sendmsg(socket, &message, 0) < 0) { perror("sendmsg"); exit(125); }
}

static int receive_descriptor(int socket) {
  int fd = -1;
  char data, control[CMSG_SPACE(sizeof fd)];
  struct iovec io = {&data, 1};
  struct msghdr message = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  if (recvmsg(socket, &message, 0) <= 0 || !CMSG_FIRSTHDR(&message)) exit(0);
  memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
  return fd;
}

/* Lets each call go on when its time has come; ends with the last process under the filter. */
static void supervise(int listener, int delay) {
  static struct { unsigned long long id; long long due; } waiting[WAITING_AT_MOST];
  int count = 0;
  for (;;) {
    struct pollfd polled = {.fd = listener, .events = POLLIN};
    int timeout = -1;
    if (count > 0) {
      long long left = waiting[0].due - now();
      timeout = left > 0 ? (int)left : 0;
    }
    if (poll(&polled, 1, timeout) < 0 && errno != EINTR) exit(0);
    if (polled.revents & (POLLHUP | POLLERR | POLLNVAL)) exit(0);
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

#define DELAY(call) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF)

int main(int count, char **arguments) {
  if (count < 3) { fprintf(stderr, "usage: %s MILLISECONDS PROGRAM [ARGUMENT...]\n", arguments[0]); return 2; }
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) { perror("socketpair"); return 125; }
  if (fork() == 0) {
    /* Not a child of the program: the program waits for its own only. */
    if (fork() != 0) _exit(0);
    setsid();
    close(pair[1]);
    int listener = receive_descriptor(pair[0]);
    close(pair[0]);
    for (int fd = 0; fd < 3; fd++) close(fd);
    supervise(listener, atoi(arguments[1]));
  }
  wait(NULL);
  struct sock_filter code[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    DELAY(__NR_fsync), DELAY(__NR_fdatasync), DELAY(__NR_syncfs), DELAY(__NR_sync_file_range), DELAY(__NR_msync),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof code / sizeof code[0], code};
  long listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
  if (listener < 0) { perror("seccomp"); return 125; }
  send_descriptor(pair[1], (int)listener);
  close((int)listener);
  execvp(arguments[2], arguments + 2);
  perror(arguments[2]);
  return 127;
}
