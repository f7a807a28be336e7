/* What the agent does first where the kernel starts it to load a module. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/*
 * The kernel starts this program as `-q -- NAME` when it misses a module, and as often as a container makes it ask: fifty at a time. They are in one
 * cgroup before they do anything, so that all together get no more of the processors than the agent, or than the containers.
 */
__attribute__((constructor)) static void join_requests(int argc, char **argv) {
  if (argc != 4 || strcmp(argv[1], "-q") || strcmp(argv[2], "--")) return;
  const int fd = open("/sys/fs/cgroup/module-requests/cgroup.procs", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  /* Where it does not work, modules are loaded all the same. */
  const ssize_t joined = write(fd, "0", 1);
  (void)joined;
  close(fd);
}
