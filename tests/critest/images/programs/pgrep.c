/* pgrep NAME: the pids of processes whose name contains NAME, zombies too, as procps has it. Not in Debian's busybox. */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int count, char **words) {
  if (count != 2) {
    fprintf(stderr, "usage: pgrep NAME\n");
    return 2;
  }
  DIR *processes = opendir("/proc");
  if (!processes) {
    perror("pgrep: /proc");
    return 3;
  }
  int found = 0;
  for (struct dirent *entry; (entry = readdir(processes));) {
    char path[300], name[64];
    if (!isdigit((unsigned char)entry->d_name[0]) || atoi(entry->d_name) == getpid()) continue;
    snprintf(path, sizeof path, "/proc/%s/comm", entry->d_name);
    FILE *file = fopen(path, "r");
    if (!file) continue;
    if (fgets(name, sizeof name, file) && strstr(name, words[1])) {
      puts(entry->d_name);
      found = 1;
    }
    fclose(file);
  }
  return !found;
}
