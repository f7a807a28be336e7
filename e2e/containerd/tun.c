/* tun NAME: makes the interface for as long as it runs, and says "made", or the name of the errno. Static, for a container. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
  strncpy(request.ifr_name, argv[1], IFNAMSIZ - 1);
  const int fd = open("/dev/net/tun", O_RDWR);
  const int made = fd >= 0 && ioctl(fd, TUNSETIFF, &request) == 0;
  puts(made ? "made" : strerrorname_np(errno));
  return 0;
}
