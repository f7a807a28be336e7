/* A container's side of what a shell cannot do: sockets, locks, and who one really is. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int failed(const char *what) {
  printf("%s: %s\n", what, strerrorname_np(errno));
  return 1;
}

/* serve PATH: prints what the first client sends. */
static int serve(int fd, const struct sockaddr_un *address) {
  if (bind(fd, (const struct sockaddr *)address, sizeof *address) || listen(fd, 1)) return failed("listen");
  int client = accept(fd, NULL, NULL);
  char text[100] = "";
  if (client < 0 || read(client, text, sizeof text - 1) < 0) return failed("accept");
  printf("%s\n", text);
  return 0;
}

/* send PATH TEXT */
static int send_to(int fd, const struct sockaddr_un *address, const char *text) {
  if (connect(fd, (const struct sockaddr *)address, sizeof *address)) return failed("connect");
  return write(fd, text, strlen(text)) < 0 ? failed("write") : 0;
}

/* lock PATH: holds it until the end of its input. */
static int lock(const char *path) {
  int fd = open(path, O_RDWR | O_CREAT, 0600);
  char byte;
  if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB)) return failed("lock");
  printf("locked\n");
  fflush(stdout);
  sleep(30);
  return read(0, &byte, 1) < 0;
}

int main(int argc, char **argv) {
  if (argc == 2 && !strcmp(argv[1], "euid")) return printf("%d\n", geteuid()) < 0;
  if (argc < 3) return 2;
  if (!strcmp(argv[1], "lock")) return lock(argv[2]);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, argv[2], sizeof address.sun_path - 1);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (!strcmp(argv[1], "serve")) return serve(fd, &address);
  return argc < 4 ? 2 : send_to(fd, &address, argv[3]);
}
