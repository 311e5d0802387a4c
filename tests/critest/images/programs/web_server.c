/*
 * nginx as far as critest looks at it: a first process whose command line says "master process", a pid file, and the
 * same page for every request. Usage: nginx [PORT]
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char title[] = "nginx: master process nginx";
static const char page[] = "<html><head><title>Welcome</title></head><body><h1>Welcome</h1></body></html>\n";

static void end(int signal) { _exit(signal == SIGTERM || signal == SIGQUIT ? 0 : 1); }

static int listen_on(int port) {
  int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
  struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
  setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (server < 0 || bind(server, (struct sockaddr *)&any, sizeof any) || listen(server, 64)) {
    perror("nginx: cannot listen");
    exit(1);
  }
  return server;
}

/* Reads up to the empty line that ends the request's head; a client that takes longer than the alarm is dropped. */
static void answer(int client) {
  char head[8192];
  size_t length = 0;
  alarm(30);
  for (;;) {
    ssize_t got = read(client, head + length, sizeof head - 1 - length);
    if (got <= 0) return;
    head[length += got] = 0;
    if (strstr(head, "\r\n\r\n")) break;
    if (length == sizeof head - 1) return;
  }
  dprintf(client,
          "HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: text/html\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
          sizeof page - 1, page);
}

int main(int count, char **words) {
  char *port = count > 1 ? words[count - 1] : "80";
  if (strncmp(words[0], "nginx:", 6)) {
    char *again[] = {(char *)title, port, NULL};
    execv("/usr/sbin/nginx", again);
    perror("nginx: cannot start as /usr/sbin/nginx");
    return 1;
  }
  /* The first process of a pid namespace gets only signals that it has a handler for. */
  signal(SIGTERM, end);
  signal(SIGQUIT, end);
  signal(SIGINT, end);
  signal(SIGCHLD, SIG_IGN);
  int server = listen_on(atoi(port));
  FILE *file = fopen("/var/run/nginx.pid", "w");
  if (!file || fprintf(file, "%d\n", getpid()) < 0 || fclose(file)) perror("nginx: cannot write its pid file");
  for (;;) {
    int client = accept(server, NULL, NULL);
    if (client < 0) continue;
    if (fork() == 0) {
      signal(SIGALRM, SIG_DFL);
      answer(client);
      _exit(0);
    }
    close(client);
  }
}
