/*
 * tree DIRECTORY: prints everything that a reader can see of a tree, a line each, sorted by name: path, then type, mode,
 * owner, time, size, device, names, xattrs, a checksum of the content, a symlink's target, and the first name of a file
 * with several. Fields are separated by tabs; bytes that are not plain are written as \xx.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

struct seen { dev_t dev; ino_t ino; char *path; };
static struct seen *seen;
static size_t seen_count;

static void put(const char *bytes, size_t length) {
  for (size_t i = 0; i < length; i++) {
    unsigned char c = bytes[i];
    if (c > 0x20 && c < 0x7f && c != '\\' && c != ',') putchar(c); else printf("\\%02x", c);
  }
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static const char *first_name(const struct stat *s, const char *path) {
  for (size_t i = 0; i < seen_count; i++) {
    if (seen[i].dev == s->st_dev && seen[i].ino == s->st_ino) return seen[i].path;
  }
  seen = realloc(seen, (seen_count + 1) * sizeof *seen);
  seen[seen_count++] = (struct seen){s->st_dev, s->st_ino, strdup(path)};
  return path;
}

/* By descriptor of the parent: a path may be as long as PATH_MAX below the root. */
static void xattrs(int parent, const char *name) {
  static char list[1 << 17], value[1 << 17];
  char proc[300];
  snprintf(proc, sizeof proc, "/proc/self/fd/%d/%s", parent, name);
  ssize_t length = llistxattr(proc, list, sizeof list);
  if (length < 0) { printf("\txattrs=?%s", strerror(errno)); return; }
  char *names[4096];
  size_t count = 0;
  for (char *at = list; at < list + length && count < 4096; at += strlen(at) + 1) names[count++] = at;
  qsort(names, count, sizeof *names, by_name);
  printf("\txattrs=");
  for (size_t i = 0; i < count; i++) {
    ssize_t size = lgetxattr(proc, names[i], value, sizeof value);
    put(names[i], strlen(names[i]));
    putchar('=');
    if (size < 0) printf("?%s", strerror(errno));
    for (ssize_t k = 0; k < size; k++) printf("%02x", (unsigned char)value[k]);
    putchar(',');
  }
}

static void content(int parent, const char *name) {
  static unsigned char buffer[1 << 20];
  int fd = openat(parent, name, O_RDONLY | O_NOFOLLOW);
  if (fd < 0) { printf("\tcontent=?%s", strerror(errno)); return; }
  uint64_t hash = 14695981039346656037ull, total = 0;
  ssize_t count;
  while ((count = read(fd, buffer, sizeof buffer)) > 0) {
    total += count;
    for (ssize_t i = 0; i < count; i++) hash = (hash ^ buffer[i]) * 1099511628211ull;
  }
  if (count < 0) printf("\tcontent=?%s", strerror(errno));
  else printf("\tcontent=%llu:%016llx", (unsigned long long)total, (unsigned long long)hash);
  close(fd);
}

static void show(int parent, const char *name, const char *path) {
  struct stat s;
  put(path, strlen(path));
  if (fstatat(parent, name, &s, AT_SYMLINK_NOFOLLOW) < 0) { printf("\ttype=?%s\n", strerror(errno)); return; }
  static const char types[] = "?pc?d?b?-?l?s???";
  printf("\ttype=%c\tmode=%o\towner=%u:%u\tmtime=%lld.%09ld", types[s.st_mode >> 12], s.st_mode & 07777, s.st_uid,
         s.st_gid, (long long)s.st_mtim.tv_sec, s.st_mtim.tv_nsec);
  if (S_ISCHR(s.st_mode) || S_ISBLK(s.st_mode)) printf("\tdevice=%u:%u", major(s.st_rdev), minor(s.st_rdev));
  xattrs(parent, name);
  if (!S_ISDIR(s.st_mode)) {
    printf("\tsize=%lld\tnames=%lu", (long long)s.st_size, (unsigned long)s.st_nlink);
    if (s.st_nlink > 1) { printf("\tfirst="); const char *first = first_name(&s, path); put(first, strlen(first)); }
  }
  if (S_ISREG(s.st_mode)) content(parent, name);
  if (S_ISLNK(s.st_mode)) {
    static char target[8192];
    ssize_t length = readlinkat(parent, name, target, sizeof target);
    printf("\ttarget=");
    if (length >= 0) put(target, length); else printf("?%s", strerror(errno));
  }
  putchar('\n');
  if (!S_ISDIR(s.st_mode)) return;
  int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  DIR *directory = fd < 0 ? NULL : fdopendir(fd);
  if (!directory) { put(path, strlen(path)); printf("\tlist=?%s\n", strerror(errno)); return; }
  char **names = NULL;
  size_t count = 0;
  errno = 0;
  for (struct dirent *entry; (entry = readdir(directory));) {
    if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
    names = realloc(names, (count + 1) * sizeof *names);
    names[count++] = strdup(entry->d_name);
  }
  if (errno) { put(path, strlen(path)); printf("\tlist=?%s\n", strerror(errno)); }
  qsort(names, count, sizeof *names, by_name);
  for (size_t i = 0; i < count; i++) {
    char *below;
    if (asprintf(&below, "%s/%s", strcmp(path, ".") ? path : "", names[i]) < 0) exit(1);
    show(dirfd(directory), names[i], below + (*below == '/' && !strcmp(path, ".")));
    free(below);
    free(names[i]);
  }
  free(names);
  closedir(directory);
}

int main(int count, char **arguments) {
  if (count != 2) { fprintf(stderr, "usage: %s DIRECTORY\n", arguments[0]); return 2; }
  int top = open(arguments[1], O_RDONLY | O_DIRECTORY);
  if (top < 0) { perror(arguments[1]); return 1; }
  show(top, ".", ".");
  return ferror(stdout) || fflush(stdout) ? 1 : 0;
}
