/*
 * /bin/sh of the stand-in for busybox. Debian's static busybox runs its own applets without looking for a file, so with
 * it a masked /bin/ls would still list; dash does look, but words its failure in another way than critest compares with.
 * So a command that is a single word is run from here, with busybox's words for a failure; everything else is dash's.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Builtins of a shell that also make sense as the only word. */
static const char *const builtins[] = {"exit", "export", "set", "pwd", "times", "umask", "wait", "trap", "jobs", NULL};

static int is_program_name(const char *word) {
  if (!*word) return 0;
  for (const char *at = word; *at; at++)
    if (!isalnum((unsigned char)*at) && !strchr("_/.-", *at)) return 0;
  for (int i = 0; builtins[i]; i++)
    if (!strcmp(word, builtins[i])) return 0;
  return 1;
}

int main(int count, char **words) {
  if (count == 3 && !strcmp(words[1], "-c") && is_program_name(words[2])) {
    char *command[] = {words[2], NULL};
    execvp(words[2], command);
    int missing = errno == ENOENT;
    fprintf(stderr, "%s: %s: %s\n", words[0], words[2], missing ? "not found" : strerror(errno));
    return missing ? 127 : 126;
  }
  execv("/bin/dash", words);
  perror("/bin/dash");
  return 127;
}
