/*
 * watcher DIRECTORY NAME: says "watching", waits until inotify tells of NAME in the directory, and says what it told until
 * then, an event a line. Static, for a container.
 */
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

static const char *kind(unsigned mask) {
  if (mask & IN_CREATE) return "create";
  if (mask & IN_MOVED_TO) return "move to";
  if (mask & IN_MOVED_FROM) return "move from";
  if (mask & IN_DELETE) return "delete";
  return "other";
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  char buffer[8192] __attribute__((aligned(8)));
  const int fd = inotify_init();
  if (inotify_add_watch(fd, argv[1], IN_CREATE | IN_MOVE | IN_DELETE) < 0) {
    perror(argv[1]);
    return 1;
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  puts("watching");
  for (;;) {
    const ssize_t length = read(fd, buffer, sizeof buffer);
    if (length <= 0) return 1;
    int seen = 0;
    for (char *at = buffer; at < buffer + length;) {
      const struct inotify_event *event = (const struct inotify_event *)at;
      printf("%s %s\n", kind(event->mask), event->name);
      seen |= !strcmp(event->name, argv[2]);
      at += sizeof *event + event->len;
    }
    if (seen) return 0;
  }
}
