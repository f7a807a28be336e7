/*
 * storage DIRECTORY FILES FSYNCS: makes so many files of 1 KiB, in directories of a hundred, looks at them, reads them and
 * removes them; then writes 4 KiB and flushes them, so many times. One line on standard error for each: what, how many a second.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CHECK(call)                                                  \
  do {                                                               \
    if ((call) < 0) {                                                \
      fprintf(stderr, "failed: %s: %s\n", #call, strerror(errno));   \
      exit(1);                                                       \
    }                                                                \
  } while (0)

static char block[4096];
static char path[512];

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

static const char *file(int index) {
  snprintf(path, sizeof path, "d%d/f%d", index / 100, index);
  return path;
}

static void create(int index) {
  if (index % 100 == 0) {
    snprintf(path, sizeof path, "d%d", index / 100);
    CHECK(mkdir(path, 0755));
  }
  int fd;
  CHECK(fd = open(file(index), O_WRONLY | O_CREAT | O_EXCL, 0644));
  CHECK(write(fd, block, 1024));
  CHECK(close(fd));
}

static void look(int index) {
  struct stat facts;
  CHECK(stat(file(index), &facts));
}

static void look_inside(int index) {
  int fd;
  CHECK(fd = open(file(index), O_RDONLY));
  CHECK(read(fd, block, sizeof block));
  CHECK(close(fd));
}

static void discard(int index) { CHECK(unlink(file(index))); }

static int log_file;
static void flush(int index) {
  (void)index;
  CHECK(write(log_file, block, sizeof block));
  CHECK(fsync(log_file));
}

static void measure(const char *name, int count, void (*act)(int)) {
  const double begun = now();
  for (int index = 0; index < count; index++) act(index);
  fprintf(stderr, "%s %.1f\n", name, count / (now() - begun));
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  memset(block, 'k', sizeof block);
  const int files = atoi(argv[2]), flushes = atoi(argv[3]);
  CHECK(chdir(argv[1]));
  measure("create", files, create);
  measure("stat", files, look);
  measure("read", files, look_inside);
  measure("unlink", files, discard);
  CHECK(log_file = open("log", O_WRONLY | O_CREAT | O_EXCL, 0644));
  measure("fsync", flushes, flush);
  return 0;
}
