/*
 * version_probe MILLISECONDS SOCKET...: asks each socket in turn for the CRI Version, with that pause before every call,
 * and prints "SOCKET MILLISECONDS" for each answer (-1: it failed). Ends when its input does.
 *
 * In C and at real-time priority: with a client in JavaScript, its own wait for a processor is most of what is measured on
 * a busy machine. It speaks just enough HTTP/2 (RFC 9113) for unary calls without Huffman coding or a dynamic table.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { DATA = 0, HEADERS = 1, RESET = 3, SETTINGS = 4, PING = 6, GOAWAY = 7, WINDOW_UPDATE = 8 };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };

#define TIMEOUT 10000

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static int all(int fd, uint8_t *bytes, size_t count, int writing) {
  while (count > 0) {
    struct pollfd polled = {.fd = fd, .events = writing ? POLLOUT : POLLIN};
    if (poll(&polled, 1, TIMEOUT) <= 0) return -1;
    ssize_t done = writing ? write(fd, bytes, count) : read(fd, bytes, count);
    if (done <= 0) return -1;
    bytes += done;
    count -= done;
  }
  return 0;
}

static uint8_t *put_frame(uint8_t *at, int type, int flags, uint32_t stream, const void *payload, uint32_t length) {
  uint8_t head[9] = {length >> 16, length >> 8, length, type, flags, stream >> 24, stream >> 16, stream >> 8, stream};
  memcpy(at, head, 9);
  memcpy(at + 9, payload, length);
  return at + 9 + length;
}

static uint8_t *put_text(uint8_t *at, const char *text) {
  *at++ = strlen(text);
  return (uint8_t *)memcpy(at, text, strlen(text)) + strlen(text);
}

static int dial(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) { perror(path); exit(1); }
  uint8_t hello[64], *end = hello, window[4] = {0x40, 0, 0, 0};
  end = (uint8_t *)memcpy(end, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24) + 24;
  end = put_frame(end, SETTINGS, 0, 0, "", 0);
  end = put_frame(end, WINDOW_UPDATE, 0, 0, window, 4);
  if (all(fd, hello, end - hello, 1) < 0) { perror(path); exit(1); }
  return fd;
}

/* 0 once the call has ended well; the status is in the trailers, whose frame alone ends the stream. */
static int call(int fd, uint32_t stream) {
  static uint8_t payload[1 << 20];
  uint8_t block[256], *at = block;
  *at++ = 0x83;
  *at++ = 0x86;
  *at++ = 0x04;
  at = put_text(at, "/runtime.v1.RuntimeService/Version");
  *at++ = 0x01;
  at = put_text(at, "localhost");
  *at++ = 0x0f;
  *at++ = 0x10;
  at = put_text(at, "application/grpc");
  *at++ = 0x00;
  at = put_text(at, "te");
  at = put_text(at, "trailers");
  uint8_t request[512], *end = put_frame(request, HEADERS, END_HEADERS, stream, block, at - block);
  end = put_frame(end, DATA, END_STREAM, stream, "\0\0\0\0\0", 5);
  if (all(fd, request, end - request, 1) < 0) return -1;
  for (int answered = 0;;) {
    uint8_t head[9];
    if (all(fd, head, 9, 0) < 0) return -1;
    uint32_t length = head[0] << 16 | head[1] << 8 | head[2], of = head[5] << 24 | head[6] << 16 | head[7] << 8 | head[8];
    if (length > sizeof payload || all(fd, payload, length, 0) < 0) return -1;
    if ((head[3] == SETTINGS || head[3] == PING) && !(head[4] & ACK)) {
      uint8_t reply[64], *reply_end = put_frame(reply, head[3], ACK, 0, payload, head[3] == PING ? 8 : 0);
      if (all(fd, reply, reply_end - reply, 1) < 0) return -1;
    }
    if (head[3] == GOAWAY || head[3] == RESET) return -1;
    if (of != stream) continue;
    if (head[3] == DATA && length > 5) answered = 1;
    if (head[4] & END_STREAM) return answered ? 0 : -1;
  }
}

int main(int count, char **arguments) {
  if (count < 3) { fprintf(stderr, "usage: %s MILLISECONDS SOCKET...\n", arguments[0]); return 2; }
  int sockets = count - 2, *fds = calloc(sockets, sizeof *fds);
  struct timespec pause = {.tv_nsec = atoi(arguments[1]) * 1000000L};
  for (int i = 0; i < sockets; i++) fds[i] = dial(arguments[i + 2]);
  struct sched_param priority = {.sched_priority = 10};
  if (mlockall(MCL_CURRENT) < 0 || sched_setscheduler(0, SCHED_FIFO, &priority) < 0) perror("no real-time priority");
  fprintf(stderr, "ready\n");
  for (uint32_t stream = 1;; stream += 2) {
    for (int i = 0; i < sockets; i++) {
      nanosleep(&pause, NULL);
      struct pollfd input = {.fd = 0, .events = POLLIN};
      if (poll(&input, 1, 0) > 0) return 0;
      double began = now();
      int failed = call(fds[i], stream);
      printf("%d %.3f\n", i, failed ? -1 : now() - began);
    }
  }
}
