/* power_cut MOUNTPOINT: the file system stops as in a power cut: what is not on its disk yet never gets there. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>

/* The same number and meaning for ext4 (EXT4_IOC_SHUTDOWN) and xfs (XFS_IOC_GOINGDOWN). */
#define FS_IOC_SHUTDOWN _IOR('X', 125, uint32_t)
#define NOLOGFLUSH 2

int main(int count, char **arguments) {
  if (count != 2) { fprintf(stderr, "usage: %s MOUNTPOINT\n", arguments[0]); return 2; }
  uint32_t flags = NOLOGFLUSH;
  int fd = open(arguments[1], O_RDONLY | O_DIRECTORY);
  if (fd < 0 || ioctl(fd, FS_IOC_SHUTDOWN, &flags) < 0) { perror(arguments[1]); return 1; }
  return 0;
}
