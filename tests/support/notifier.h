/*
 * Runs a program under a seccomp filter whose user notifications a second process answers. Unlike an LD_PRELOAD library
 * it also catches libc that was opened with dlopen, static programs, and other threads. The program keeps the pid of the
 * caller; the second process is no child of it, as it waits for its own only, and ends with the last process under the
 * filter.
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
#include <unistd.h>

/* One instruction pair of a filter: this call is asked about. */
#define NOTIFY(call) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF)

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

/* Becomes `program` under a filter of `length` instructions; `supervise` gets the listener and `settings`. Returns 125 or 127. */
static int run_notified(struct sock_filter *code, int length, void (*supervise)(int, void *), void *settings,
                        char **program) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) { perror("socketpair"); return 125; }
  if (fork() == 0) {
    if (fork() != 0) _exit(0);
    setsid();
    close(pair[1]);
    int listener = receive_descriptor(pair[0]);
    close(pair[0]);
    for (int fd = 0; fd < 3; fd++) close(fd);
    supervise(listener, settings);
    _exit(0);
  }
  wait(NULL);
  struct sock_fprog filter = {length, code};
  long listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &filter);
  if (listener < 0) { perror("seccomp"); return 125; }
  send_descriptor(pair[1], (int)listener);
  close((int)listener);
  execvp(program[0], program);
  perror(program[0]);
  return 127;
}
