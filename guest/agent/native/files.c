/* Files and directories by their paths. */
#include "syscalls.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Reads to the end: files of /proc and /sys have no size to go by. */
FUNCTION(js_read_file) {
  const char *path = text(ctx, argv[0]);
  if (!path) return JS_EXCEPTION;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  JSValue answer = fd < 0 ? fail_at(ctx, "open", path, errno) : JS_UNDEFINED;
  if (fd >= 0) {
    size_t capacity = 4096, length = 0;
    char *block = malloc(capacity);
    ssize_t count = -1;
    errno = ENOMEM;
    while (block && (count = read(fd, block + length, capacity - length)) != 0) {
      if (count < 0 && errno != EINTR) break;
      if (count > 0) length += count;
      if (length < capacity) continue;
      char *larger = realloc(block, capacity *= 2);
      if (!larger) free(block);
      block = larger;
      count = -1;
    }
    answer = count < 0 ? fail_at(ctx, "read", path, errno) : JS_NewStringLen(ctx, block, length);
    free(block);
    close(fd);
  }
  free_text(ctx, path);
  return answer;
}

/* Whether all went. A file that takes only a part says why when it is given the rest: it has no room, for instance. */
static int write_on(int fd, const char *data, size_t length) {
  do {
    const ssize_t count = write(fd, data, length);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return 0;
    if (count == 0 && length) return errno = EIO, 0;
    data += count, length -= count;
  } while (length);
  return 1;
}

/* writeFile(path, text, flags, mode): one write(2), as files of /proc, /sys and cgroups want it; more only after one that took a part. */
FUNCTION(js_write_file) {
  const char *path = text(ctx, argv[0]);
  if (!path) return JS_EXCEPTION;
  size_t length;
  const char *data = JS_ToCStringLen(ctx, &length, argv[1]);
  if (!data) return free_text(ctx, path), JS_EXCEPTION;
  const int fd = open(path, integer(ctx, argv[2]) | O_WRONLY | O_CLOEXEC, integer(ctx, argv[3]));
  JSValue answer = JS_UNDEFINED;
  if (fd < 0) answer = fail_at(ctx, "open", path, errno);
  else if (!write_on(fd, data, length)) answer = fail_at(ctx, "write", path, errno);
  if (fd >= 0) close(fd);
  free_text(ctx, data);
  free_text(ctx, path);
  return answer;
}

/* open(path, flags, mode): close-on-exec always. */
FUNCTION(js_open) {
  const char *path = text(ctx, argv[0]);
  if (!path) return JS_EXCEPTION;
  JSValue answer = result_at(ctx, "open", path, open(path, integer(ctx, argv[1]) | O_CLOEXEC, integer(ctx, argv[2])));
  free_text(ctx, path);
  return answer;
}

/* openIn(dirfd, path, flags, mode): openat2 with RESOLVE_IN_ROOT, so that no symlink and no ".." leaves dirfd. */
FUNCTION(js_open_in) {
  const char *path = text(ctx, argv[1]);
  if (!path) return JS_EXCEPTION;
  struct open_how how = {.flags = integer(ctx, argv[2]) | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
  if (how.flags & O_CREAT) how.mode = integer(ctx, argv[3]);
  /* A rename or a mount anywhere makes the kernel unsure of a "..", and a container can make them without end. */
  int attempts = 128;
  long fd;
  do fd = syscall(SYS_openat2, integer(ctx, argv[0]), path, &how, sizeof how);
  while (fd < 0 && errno == EAGAIN && --attempts);
  JSValue answer = result_at(ctx, "openat2", path, fd);
  free_text(ctx, path);
  return answer;
}

/* The calls on one name of an open directory: the name is checked to be a single component. */
static JSValue at_name(JSContext *ctx, JSValueConst *argv, const char *call, long (*run)(int, const char *, JSContext *, JSValueConst *)) {
  const char *name = text(ctx, argv[1]);
  if (!name) return JS_EXCEPTION;
  const int single = *name && !strchr(name, '/') && strcmp(name, ".") && strcmp(name, "..");
  JSValue answer = single ? result_at(ctx, call, name, run(integer(ctx, argv[0]), name, ctx, argv)) : fail_at(ctx, call, name, EINVAL);
  free_text(ctx, name);
  return answer;
}

static long run_mkdirat(int dir, const char *name, JSContext *ctx, JSValueConst *argv) {
  return mkdirat(dir, name, integer(ctx, argv[2]));
}

static long run_unlinkat(int dir, const char *name, JSContext *ctx, JSValueConst *argv) {
  return unlinkat(dir, name, integer(ctx, argv[2]));
}

static long run_symlinkat(int dir, const char *name, JSContext *ctx, JSValueConst *argv) {
  const char *target = text(ctx, argv[2]);
  const long value = target ? symlinkat(target, dir, name) : -1;
  free_text(ctx, target);
  return value;
}

static long run_renameat(int dir, const char *name, JSContext *ctx, JSValueConst *argv) {
  const char *to = text(ctx, argv[2]);
  const long value = to ? renameat(dir, name, dir, to) : -1;
  free_text(ctx, to);
  return value;
}

static long run_lchownat(int dir, const char *name, JSContext *ctx, JSValueConst *argv) {
  return fchownat(dir, name, integer(ctx, argv[2]), integer(ctx, argv[3]), AT_SYMLINK_NOFOLLOW);
}

FUNCTION(js_mkdirat) { return at_name(ctx, argv, "mkdirat", run_mkdirat); }
FUNCTION(js_unlinkat) { return at_name(ctx, argv, "unlinkat", run_unlinkat); }
FUNCTION(js_symlinkat) { return at_name(ctx, argv, "symlinkat", run_symlinkat); }
FUNCTION(js_renameat) { return at_name(ctx, argv, "renameat", run_renameat); }
FUNCTION(js_lchownat) { return at_name(ctx, argv, "fchownat", run_lchownat); }

FUNCTION(js_chmod) {
  const char *path = text(ctx, argv[0]);
  if (!path) return JS_EXCEPTION;
  JSValue answer = result_at(ctx, "chmod", path, chmod(path, integer(ctx, argv[1])));
  free_text(ctx, path);
  return answer;
}

FUNCTION(js_lchown) {
  const char *path = text(ctx, argv[0]);
  if (!path) return JS_EXCEPTION;
  JSValue answer = result_at(ctx, "lchown", path, lchown(path, integer(ctx, argv[1]), integer(ctx, argv[2])));
  free_text(ctx, path);
  return answer;
}

/* Where the file system does not say, as few do not, the file itself is asked. */
static int is_directory(DIR *directory, const struct dirent *entry) {
  struct stat facts;
  if (entry->d_type != DT_UNKNOWN) return entry->d_type == DT_DIR;
  return fstatat(dirfd(directory), entry->d_name, &facts, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(facts.st_mode);
}

static JSValue names_in(JSContext *ctx, JSValueConst value, int only_directories) {
  const char *path = text(ctx, value);
  if (!path) return JS_EXCEPTION;
  DIR *directory = opendir(path);
  JSValue answer = directory ? JS_NewArray(ctx) : fail_at(ctx, "opendir", path, errno);
  uint32_t count = 0;
  for (const struct dirent *entry; directory && (entry = readdir(directory));)
    if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..") && (!only_directories || is_directory(directory, entry)))
      JS_SetPropertyUint32(ctx, answer, count++, name_of(ctx, entry->d_name));
  if (directory) closedir(directory);
  free_text(ctx, path);
  return answer;
}

/* names(path): of what is in a directory, but for "." and "..". */
FUNCTION(js_names) { return names_in(ctx, argv[0], 0); }
/* directories(path): of those in a directory alone. */
FUNCTION(js_directories) { return names_in(ctx, argv[0], 1); }

/* fileSystem(path): [fragment size, fragments, free ones, those free for users, nodes, free nodes] of statvfs(3), as numbers. */
FUNCTION(js_file_system) {
  const char *path = text(ctx, argv[0]);
  if (!path) return JS_EXCEPTION;
  struct statvfs facts;
  JSValue answer;
  if (statvfs(path, &facts) < 0) answer = fail_at(ctx, "statvfs", path, errno);
  else {
    const int64_t values[] = {facts.f_frsize, facts.f_blocks, facts.f_bfree, facts.f_bavail, facts.f_files, facts.f_ffree};
    answer = JS_NewArray(ctx);
    for (int index = 0; index < 6; index++)
      JS_SetPropertyUint32(ctx, answer, index, JS_NewInt64(ctx, values[index]));
  }
  free_text(ctx, path);
  return answer;
}

static const JSCFunctionListEntry functions[] = {
    JS_CFUNC_DEF("readFile", 1, js_read_file),
    JS_CFUNC_DEF("writeFile", 4, js_write_file),
    JS_CFUNC_DEF("open", 3, js_open),
    JS_CFUNC_DEF("openIn", 4, js_open_in),
    JS_CFUNC_DEF("mkdirat", 3, js_mkdirat),
    JS_CFUNC_DEF("unlinkat", 3, js_unlinkat),
    JS_CFUNC_DEF("symlinkat", 3, js_symlinkat),
    JS_CFUNC_DEF("renameat", 3, js_renameat),
    JS_CFUNC_DEF("lchownat", 4, js_lchownat),
    JS_CFUNC_DEF("chmod", 2, js_chmod),
    JS_CFUNC_DEF("lchown", 3, js_lchown),
    JS_CFUNC_DEF("names", 1, js_names),
    JS_CFUNC_DEF("directories", 1, js_directories),
    JS_CFUNC_DEF("fileSystem", 1, js_file_system),
};
const struct subject file_calls = SUBJECT(functions);
