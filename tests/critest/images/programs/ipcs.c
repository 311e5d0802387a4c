/* ipcs -m: the shared memory segments of this IPC namespace. Not in Debian's busybox. */
#include <stdio.h>

int main(void) {
  FILE *table = fopen("/proc/sysvipc/shm", "r");
  char line[512];
  if (!table || !fgets(line, sizeof line, table)) {
    perror("ipcs: /proc/sysvipc/shm");
    return 1;
  }
  printf("%-12s %-10s %-10s %-6s %s\n", "key", "shmid", "owner", "perms", "bytes");
  while (fgets(line, sizeof line, table)) {
    int key, id, creator, last;
    unsigned mode, owner;
    unsigned long size, attached;
    if (sscanf(line, "%d %d %o %lu %d %d %lu %u", &key, &id, &mode, &size, &creator, &last, &attached, &owner) == 8)
      printf("0x%08x   %-10d %-10u %-6o %lu\n", key, id, owner, mode & 0777, size);
  }
  return 0;
}
