/* Modules of the kernel, and the copies in memory that it loads them from. */
#include "syscalls.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/module.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

FUNCTION(js_load_module) {
  const char *path = text(ctx, argv[0]), *parameters = text(ctx, argv[1]);
  const int fd = path && parameters ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  JSValue answer = JS_EXCEPTION;
  if (path && parameters)
    answer = result_at(ctx, "load module", path, fd < 0 ? -1 : syscall(SYS_finit_module, fd, parameters, 0));
  if (fd >= 0) close(fd);
  free_text(ctx, path), free_text(ctx, parameters);
  return answer;
}

/* Appends bytes of `from` to `memory`; -1 with errno when not all are there. */
static int copy_part(int memory, int from, off_t offset, size_t size) {
  while (size) {
    const ssize_t count = sendfile(memory, from, &offset, size);
    if (count < 0 && errno == EINTR) continue;
    if (count == 0) errno = EIO;
    if (count <= 0) return -1;
    size -= count;
  }
  return 0;
}

/* Bytes of `from` in a file of memory that nobody writes: the kernel loads modules from such files only. */
static int part_in_memory(int from, off_t offset, size_t size) {
  const int memory = memfd_create("module", MFD_CLOEXEC);
  if (memory < 0) return -1;
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", memory);
  const int fd = copy_part(memory, from, offset, size) < 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
  const int error = errno;
  close(memory);
  errno = error;
  return fd;
}

/* sealedCopy(path): a descriptor of a copy in memory that nobody can write to, root included. */
FUNCTION(js_sealed_copy) {
  const char *path = text(ctx, argv[0]);
  if (!path) return JS_EXCEPTION;
  const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  struct stat facts;
  const int from = open(path, O_RDONLY | O_CLOEXEC);
  int memory = from < 0 || fstat(from, &facts) < 0 ? -1 : memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (memory >= 0 && (copy_part(memory, from, 0, facts.st_size) < 0 || fcntl(memory, F_ADD_SEALS, seals) < 0)) {
    const int error = errno;
    close(memory);
    errno = error;
    memory = -1;
  }
  JSValue answer = result_at(ctx, "copy", path, memory);
  if (from >= 0) close(from);
  free_text(ctx, path);
  return answer;
}

/* loadPackedModule(fd, offset, size, parameters): finit_module(2) of a part of a file. */
FUNCTION(js_load_packed_module) {
  const char *parameters = text(ctx, argv[3]);
  if (!parameters) return JS_EXCEPTION;
  const int fd = part_in_memory(integer(ctx, argv[0]), long_integer(ctx, argv[1]), long_integer(ctx, argv[2]));
  const int flags = MODULE_INIT_COMPRESSED_FILE;
  JSValue answer = result(ctx, "load module", fd < 0 ? -1 : syscall(SYS_finit_module, fd, parameters, flags));
  if (fd >= 0) close(fd);
  free_text(ctx, parameters);
  return answer;
}

static const JSCFunctionListEntry functions[] = {
    JS_CFUNC_DEF("loadModule", 2, js_load_module),
    JS_CFUNC_DEF("sealedCopy", 1, js_sealed_copy),
    JS_CFUNC_DEF("loadPackedModule", 4, js_load_packed_module),
};
const struct subject module_calls = SUBJECT(functions);
