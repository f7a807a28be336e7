/*
 * The system calls of the guest agent, one QuickJS function each, without policy. A failed call throws an Error
 * with `errno` (number), `code` ("ENOENT") and a message that names the call. ../types/syscalls.d.ts documents the
 * JavaScript side; keep both in step.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/dm-ioctl.h>
#include <linux/module.h>
#include <linux/openat2.h>
#include <linux/random.h>
#include <linux/vm_sockets.h>
#include <net/if.h>
#include <poll.h>
#include <quickjs-libc.h>
#include <quickjs.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FUNCTION(name) static JSValue name(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)

/* --- arguments and results ------------------------------------------------------------------------------- */

static JSValue fail(JSContext *ctx, const char *call, int error) {
  JSValue object = JS_NewError(ctx);
  char text[512];
  const char *name = strerrorname_np(error);
  snprintf(text, sizeof text, "%s: %s", call, strerror(error));
  const int flags = JS_PROP_CONFIGURABLE | JS_PROP_WRITABLE;
  JS_DefinePropertyValueStr(ctx, object, "message", JS_NewString(ctx, text), flags);
  JS_DefinePropertyValueStr(ctx, object, "errno", JS_NewInt32(ctx, error), flags);
  JS_DefinePropertyValueStr(ctx, object, "code", JS_NewString(ctx, name ? name : "EUNKNOWN"), flags);
  return JS_Throw(ctx, object);
}

static JSValue fail_at(JSContext *ctx, const char *call, const char *path, int error) {
  char text[384];
  snprintf(text, sizeof text, "%s %s", call, path);
  return fail(ctx, text, error);
}

/* -1 becomes an exception, everything else a number. */
static JSValue result(JSContext *ctx, const char *call, long value) {
  return value < 0 ? fail(ctx, call, errno) : JS_NewInt64(ctx, value);
}

static JSValue result_at(JSContext *ctx, const char *call, const char *path, long value) {
  return value < 0 ? fail_at(ctx, call, path, errno) : JS_NewInt64(ctx, value);
}

static int integer(JSContext *ctx, JSValueConst value) {
  int32_t number = 0;
  JS_ToInt32(ctx, &number, value);
  return number;
}

static int64_t long_integer(JSContext *ctx, JSValueConst value) {
  int64_t number = 0;
  JS_ToInt64(ctx, &number, value);
  return number;
}

/* A C string that free_text() gives back; NULL with an exception pending, or for a path with a NUL inside. */
static const char *text(JSContext *ctx, JSValueConst value) {
  size_t length;
  const char *string = JS_ToCStringLen(ctx, &length, value);
  if (string && strlen(string) != length) {
    JS_FreeCString(ctx, string);
    JS_ThrowTypeError(ctx, "a string argument holds a NUL byte");
    return NULL;
  }
  return string;
}

static void free_text(JSContext *ctx, const char *string) {
  if (string) JS_FreeCString(ctx, string);
}

/* The bytes of a typed array; the caller keeps `value` alive for as long as it uses them. */
static uint8_t *bytes(JSContext *ctx, JSValueConst value, size_t *length) {
  size_t offset, size, element, whole;
  JSValue buffer = JS_GetTypedArrayBuffer(ctx, value, &offset, &size, &element);
  if (JS_IsException(buffer)) return NULL;
  uint8_t *start = JS_GetArrayBuffer(ctx, &whole, buffer);
  JS_FreeValue(ctx, buffer);
  if (!start) return NULL;
  *length = size;
  return start + offset;
}

static void free_block(JSRuntime *runtime, void *opaque, void *block) {
  free(block);
}

/* A Uint8Array over `block`, which it owns from now on. */
static JSValue owned_bytes(JSContext *ctx, uint8_t *block, size_t length) {
  JSValue buffer = JS_NewArrayBuffer(ctx, block, length, free_block, NULL, 0);
  if (JS_IsException(buffer)) return buffer;
  /* The constructor reads offset and length whatever their number is said to be. */
  JSValueConst arguments[] = {buffer, JS_UNDEFINED, JS_UNDEFINED};
  JSValue array = JS_NewTypedArray(ctx, 3, arguments, JS_TYPED_ARRAY_UINT8);
  JS_FreeValue(ctx, buffer);
  return array;
}

static void free_vector(char **strings) {
  for (char **each = strings; each && *each; each++) free(*each);
  free(strings);
}

/* A NULL-terminated vector of C strings from an array of strings; free_vector() gives it back. NULL with an exception pending. */
static char **vector(JSContext *ctx, JSValueConst array) {
  JSValue length_value = JS_GetPropertyStr(ctx, array, "length");
  const int length = integer(ctx, length_value);
  JS_FreeValue(ctx, length_value);
  char **strings = calloc(length + 1, sizeof *strings);
  if (!strings) return JS_ThrowOutOfMemory(ctx), NULL;
  for (int index = 0; index < length; index++) {
    JSValue item = JS_GetPropertyUint32(ctx, array, index);
    const char *string = text(ctx, item);
    JS_FreeValue(ctx, item);
    strings[index] = string ? strdup(string) : NULL;
    if (string && !strings[index]) JS_ThrowOutOfMemory(ctx);
    free_text(ctx, string);
    if (!strings[index]) return free_vector(strings), NULL;
  }
  return strings;
}

/* --- text ------------------------------------------------------------------------------------------------ */

FUNCTION(js_utf8_encode) {
  size_t length;
  const char *string = JS_ToCStringLen(ctx, &length, argv[0]);
  if (!string) return JS_EXCEPTION;
  uint8_t *copy = malloc(length ? length : 1);
  if (copy) memcpy(copy, string, length);
  JS_FreeCString(ctx, string);
  return copy ? owned_bytes(ctx, copy, length) : JS_ThrowOutOfMemory(ctx);
}

FUNCTION(js_utf8_decode) {
  size_t length;
  uint8_t *start = bytes(ctx, argv[0], &length);
  return start ? JS_NewStringLen(ctx, (const char *)start, length) : JS_EXCEPTION;
}

/* --- files ----------------------------------------------------------------------------------------------- */

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

/* Reads on until `size` bytes are there or there is no more now: a virtio-serial port gives at most a page at a time. -1 for an error. */
static ssize_t read_on(int fd, uint8_t *to, size_t size) {
  size_t length = 0;
  while (length < size) {
    const ssize_t count = read(fd, to + length, size - length);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && length == 0) return -1;
    if (count <= 0) break;
    length += count;
  }
  return length;
}

/* read(fd, size): a Uint8Array (empty at the end of file), or null when it would block. */
FUNCTION(js_read) {
  const size_t size = long_integer(ctx, argv[1]);
  uint8_t *block = malloc(size ? size : 1);
  if (!block) return fail(ctx, "read", ENOMEM);
  const ssize_t length = read_on(integer(ctx, argv[0]), block, size);
  if (length < 0) {
    const int error = errno;
    free(block);
    return error == EAGAIN ? JS_NULL : fail(ctx, "read", error);
  }
  if ((size_t)length < size / 2) block = realloc(block, length ? length : 1);
  return owned_bytes(ctx, block, length);
}

/* readInto(fd, bytes): how many bytes came, 0 at the end of file, null when it would block. */
FUNCTION(js_read_into) {
  size_t size;
  uint8_t *start = bytes(ctx, argv[1], &size);
  if (!start) return JS_EXCEPTION;
  const ssize_t length = read_on(integer(ctx, argv[0]), start, size);
  return length < 0 && errno == EAGAIN ? JS_NULL : result(ctx, "read", length);
}

/* write(fd, bytes, offset): how many bytes went, 0 when it would block. */
FUNCTION(js_write) {
  size_t length;
  uint8_t *start = bytes(ctx, argv[1], &length);
  if (!start) return JS_EXCEPTION;
  const size_t offset = long_integer(ctx, argv[2]);
  if (offset > length) return fail(ctx, "write", EINVAL);
  ssize_t count;
  do count = write(integer(ctx, argv[0]), start + offset, length - offset);
  while (count < 0 && errno == EINTR);
  if (count < 0 && errno == EAGAIN) return JS_NewInt32(ctx, 0);
  return result(ctx, "write", count);
}

/* pwrite(fd, bytes, position): all of it. */
FUNCTION(js_pwrite) {
  size_t length;
  uint8_t *start = bytes(ctx, argv[1], &length);
  if (!start) return JS_EXCEPTION;
  off_t position = long_integer(ctx, argv[2]);
  while (length) {
    const ssize_t count = pwrite(integer(ctx, argv[0]), start, length, position);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail(ctx, "pwrite", errno);
    start += count, position += count, length -= count;
  }
  return JS_UNDEFINED;
}

/* pread(fd, size, position): fewer bytes only at the end of the file. */
FUNCTION(js_pread) {
  const size_t size = long_integer(ctx, argv[1]);
  const off_t position = long_integer(ctx, argv[2]);
  uint8_t *block = malloc(size ? size : 1);
  if (!block) return fail(ctx, "pread", ENOMEM);
  size_t length = 0;
  while (length < size) {
    const ssize_t count = pread(integer(ctx, argv[0]), block + length, size - length, position + length);
    if (count < 0 && errno == EINTR) continue;
    if (count == 0) break;
    if (count < 0) {
      const int error = errno;
      free(block);
      return fail(ctx, "pread", error);
    }
    length += count;
  }
  return owned_bytes(ctx, block, length);
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
  JSValue answer = result_at(ctx, "openat2", path, syscall(SYS_openat2, integer(ctx, argv[0]), path, &how, sizeof how));
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

/* fileSystem(path): [fragment size, fragments, free ones, nodes, free nodes] of statvfs(3), as numbers. */
FUNCTION(js_file_system) {
  const char *path = text(ctx, argv[0]);
  if (!path) return JS_EXCEPTION;
  struct statvfs facts;
  JSValue answer;
  if (statvfs(path, &facts) < 0) answer = fail_at(ctx, "statvfs", path, errno);
  else {
    const int64_t values[] = {facts.f_frsize, facts.f_blocks, facts.f_bavail, facts.f_files, facts.f_ffree};
    answer = JS_NewArray(ctx);
    for (int index = 0; index < 5; index++)
      JS_SetPropertyUint32(ctx, answer, index, JS_NewInt64(ctx, values[index]));
  }
  free_text(ctx, path);
  return answer;
}

/* --- growing a file system ------------------------------------------------------------------------------- */

/* Not in the kernel's installed headers: from fs/ext4/ext4.h and fs/xfs/libxfs/xfs_fs.h. */
#define EXT4_RESIZE _IOW('f', 16, uint64_t)
struct xfs_geometry {
  uint32_t block_size, others[6], inode_percent;
  uint64_t blocks, more[3];
  uint8_t uuid[16];
  uint32_t rest[7];
};
struct xfs_growth {
  uint64_t blocks;
  uint32_t inode_percent;
};
#define XFS_GEOMETRY _IOR('X', 100, struct xfs_geometry)
#define XFS_GROW _IOW('X', 110, struct xfs_growth)

/* 0 or an errno. A file system that is larger already is EINVAL: two of the three would shrink it. */
static int grow(int fd, const char *type, uint64_t size) {
  struct statvfs facts;
  if (fstatvfs(fd, &facts) < 0) return errno;
  if (facts.f_blocks * facts.f_frsize > size) return EINVAL;
  if (!strncmp(type, "ext", 3)) {
    uint64_t blocks = size / facts.f_frsize;
    return ioctl(fd, EXT4_RESIZE, &blocks) < 0 ? errno : 0;
  }
  if (!strcmp(type, "xfs")) {
    struct xfs_geometry now;
    if (ioctl(fd, XFS_GEOMETRY, &now) < 0) return errno;
    struct xfs_growth growth = {.blocks = size / now.block_size, .inode_percent = now.inode_percent};
    if (growth.blocks == now.blocks) return 0;
    if (growth.blocks < now.blocks) return EINVAL;
    return ioctl(fd, XFS_GROW, &growth) < 0 ? errno : 0;
  }
  if (!strcmp(type, "btrfs")) {
    struct btrfs_ioctl_vol_args arguments = {0};
    snprintf(arguments.name, sizeof arguments.name, "%llu", (unsigned long long)size);
    return ioctl(fd, BTRFS_IOC_RESIZE, &arguments) < 0 ? errno : 0;
  }
  return EOPNOTSUPP;
}

/* fork(), for what can take long. The child lets go of all that others wait to see closed: the streams of processes, above all. */
static pid_t start_child(void) {
  const pid_t child = fork();
  if (child == 0) syscall(SYS_close_range, 3, ~0U, 0);
  return child;
}

/* growFileSystem(path, type, size): the pid of a child that does it, as it can take long; it exits with 0 or the errno. */
FUNCTION(js_grow_file_system) {
  const char *path = text(ctx, argv[0]);
  if (!path) return JS_EXCEPTION;
  const char *type = text(ctx, argv[1]);
  if (!type) return free_text(ctx, path), JS_EXCEPTION;
  const uint64_t size = long_integer(ctx, argv[2]);
  const pid_t child = start_child();
  if (child == 0) {
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _exit(fd < 0 ? errno : grow(fd, type, size));
  }
  JSValue answer = result(ctx, "fork", child);
  free_text(ctx, path), free_text(ctx, type);
  return answer;
}

/* syncFileSystems(): the pid of a child that does it, as it can take long. */
FUNCTION(js_sync_file_systems) {
  const pid_t child = start_child();
  if (child == 0) {
    sync();
    _exit(0);
  }
  return result(ctx, "fork", child);
}

/* syncFileSystem(path): the pid of a child that writes back the file system there, as it can take long; it exits with 0 or the errno. */
FUNCTION(js_sync_file_system) {
  const char *path = text(ctx, argv[0]);
  if (!path) return JS_EXCEPTION;
  const pid_t child = start_child();
  if (child == 0) {
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _exit(fd < 0 || syncfs(fd) < 0 ? errno : 0);
  }
  JSValue answer = result(ctx, "fork", child);
  free_text(ctx, path);
  return answer;
}

/* startMount(source, target, type, flags, data): the pid of a child that mounts, as a journal can take long; it exits with 0 or the errno. */
FUNCTION(js_start_mount) {
  const char *source = text(ctx, argv[0]), *target = text(ctx, argv[1]), *type = text(ctx, argv[2]), *data = text(ctx, argv[4]);
  const unsigned long flags = long_integer(ctx, argv[3]);
  JSValue answer = JS_EXCEPTION;
  if (source && target && type && data) {
    const pid_t child = start_child();
    if (child == 0) _exit(mount(source, target, type, flags, data) < 0 ? errno : 0);
    answer = result(ctx, "fork", child);
  }
  free_text(ctx, source), free_text(ctx, target), free_text(ctx, type), free_text(ctx, data);
  return answer;
}

/* enterDirectories(paths): the pid of a child that opens each, and passes over what is no directory. A server of files may never answer. */
FUNCTION(js_enter_directories) {
  char **paths = vector(ctx, argv[0]);
  if (!paths) return JS_EXCEPTION;
  const pid_t child = start_child();
  if (child == 0) {
    for (char **path = paths; *path; path++) close(open(*path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    _exit(0);
  }
  JSValue answer = result(ctx, "fork", child);
  free_vector(paths);
  return answer;
}

/* --- the device mapper ----------------------------------------------------------------------------------- */

#define MAPPER "/dev/mapper/control"

struct mapping {
  struct dm_ioctl head;
  struct dm_target_spec target;
  char parameters[1024];
};

/* Fills in what every command has; the mapping is the device `name`. */
static void address(struct mapping *mapping, const char *name, uint32_t flags) {
  mapping->head = (struct dm_ioctl){.version = {DM_VERSION_MAJOR, 0, 0}, .data_size = sizeof *mapping, .flags = flags};
  mapping->head.data_start = sizeof mapping->head;
  snprintf(mapping->head.name, sizeof mapping->head.name, "%s", name);
}

/* The minor number of a new device that can only be read, or -1 with errno; nothing is left of one that failed. */
static long map_device(int fd, struct mapping *mapping, const char *name) {
  address(mapping, name, 0);
  if (ioctl(fd, DM_DEV_CREATE, mapping) < 0) return -1;
  const uint64_t dev = mapping->head.dev;
  address(mapping, name, DM_READONLY_FLAG);
  mapping->head.target_count = 1;
  int value = ioctl(fd, DM_TABLE_LOAD, mapping);
  /* Without a flag this resumes: the table counts from now on, and the device gets its node. */
  address(mapping, name, 0);
  if (value == 0) value = ioctl(fd, DM_DEV_SUSPEND, mapping);
  /* Eight bits of the minor number, the major one, and the rest of the minor one. */
  if (value == 0) return (dev & 0xff) | ((dev >> 12) & 0xfff00);
  const int error = errno;
  address(mapping, name, 0);
  ioctl(fd, DM_DEV_REMOVE, mapping);
  errno = error;
  return -1;
}

/* mapDevice(name, sectors, type, parameters): a device of one target, only to be read; its minor number. */
FUNCTION(js_map_device) {
  const char *name = text(ctx, argv[0]), *type = text(ctx, argv[2]), *parameters = text(ctx, argv[3]);
  JSValue answer = JS_EXCEPTION;
  if (name && type && parameters) {
    struct mapping mapping = {.target = {.length = long_integer(ctx, argv[1])}};
    snprintf(mapping.target.target_type, sizeof mapping.target.target_type, "%s", type);
    const int length = snprintf(mapping.parameters, sizeof mapping.parameters, "%s", parameters);
    const int fd = open(MAPPER, O_RDWR | O_CLOEXEC);
    long value = -1;
    if ((size_t)length >= sizeof mapping.parameters) errno = E2BIG;
    else if (fd >= 0) value = map_device(fd, &mapping, name);
    answer = result_at(ctx, "map device", name, value);
    if (fd >= 0) close(fd);
  }
  free_text(ctx, name), free_text(ctx, type), free_text(ctx, parameters);
  return answer;
}

/* unmapDevice(name) */
FUNCTION(js_unmap_device) {
  const char *name = text(ctx, argv[0]);
  if (!name) return JS_EXCEPTION;
  struct mapping mapping = {0};
  address(&mapping, name, 0);
  const int fd = open(MAPPER, O_RDWR | O_CLOEXEC);
  JSValue answer = result_at(ctx, "unmap device", name, fd < 0 ? -1 : ioctl(fd, DM_DEV_REMOVE, &mapping));
  if (fd >= 0) close(fd);
  free_text(ctx, name);
  return answer;
}

/* nameErrno(number): "EINVAL" */
FUNCTION(js_name_errno) {
  const char *name = strerrorname_np(integer(ctx, argv[0]));
  return JS_NewString(ctx, name ? name : "EUNKNOWN");
}

/* fileSize(fd) */
FUNCTION(js_file_size) {
  struct stat facts;
  if (fstat(integer(ctx, argv[0]), &facts) < 0) return fail(ctx, "fstat", errno);
  return JS_NewInt64(ctx, facts.st_size);
}

FUNCTION(js_fchmod) { return result(ctx, "fchmod", fchmod(integer(ctx, argv[0]), integer(ctx, argv[1]))); }
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
FUNCTION(js_dup) { return result(ctx, "dup", fcntl(integer(ctx, argv[0]), F_DUPFD_CLOEXEC, 3)); }
FUNCTION(js_close) { return result(ctx, "close", close(integer(ctx, argv[0]))); }

/* pipe(): [read end, write end], close-on-exec. */
/* pipe(capacity): one that the kernel gives no more room has less, which is a matter of speed alone. */
FUNCTION(js_pipe) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return fail(ctx, "pipe2", errno);
  fcntl(ends[0], F_SETPIPE_SZ, integer(ctx, argv[0]));
  JSValue array = JS_NewArray(ctx);
  JS_SetPropertyUint32(ctx, array, 0, JS_NewInt32(ctx, ends[0]));
  JS_SetPropertyUint32(ctx, array, 1, JS_NewInt32(ctx, ends[1]));
  return array;
}

/* unread(fd): bytes that a pipe holds. */
FUNCTION(js_unread) {
  int count = 0;
  return ioctl(integer(ctx, argv[0]), FIONREAD, &count) < 0 ? fail(ctx, "ioctl FIONREAD", errno) : JS_NewInt32(ctx, count);
}

/* splice(from, to, size): how many bytes went out of a pipe, 0 when it would block. */
FUNCTION(js_splice) {
  ssize_t count;
  do count = splice(integer(ctx, argv[0]), NULL, integer(ctx, argv[1]), NULL, long_integer(ctx, argv[2]), SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  while (count < 0 && errno == EINTR);
  if (count < 0 && errno == EAGAIN) return JS_NewInt32(ctx, 0);
  /* The pipe is at its end. Or the kernel's driver of virtio-serial has dropped what its queue had no room for. */
  if (count == 0) return fail(ctx, "splice", EIO);
  return result(ctx, "splice", count);
}

FUNCTION(js_set_nonblocking) {
  const int fd = integer(ctx, argv[0]);
  return result(ctx, "fcntl", fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK));
}

/* --- machine --------------------------------------------------------------------------------------------- */

FUNCTION(js_mount) {
  const char *source = text(ctx, argv[0]), *target = text(ctx, argv[1]), *type = text(ctx, argv[2]), *data = text(ctx, argv[4]);
  JSValue answer = JS_EXCEPTION;
  if (source && target && type && data)
    answer = result_at(ctx, "mount on", target, mount(source, target, type, (unsigned long)long_integer(ctx, argv[3]), data));
  free_text(ctx, source), free_text(ctx, target), free_text(ctx, type), free_text(ctx, data);
  return answer;
}

FUNCTION(js_umount) {
  const char *target = text(ctx, argv[0]);
  if (!target) return JS_EXCEPTION;
  JSValue answer = result_at(ctx, "umount", target, umount2(target, integer(ctx, argv[1])));
  free_text(ctx, target);
  return answer;
}

FUNCTION(js_chroot) {
  const char *path = text(ctx, argv[0]);
  if (!path) return JS_EXCEPTION;
  JSValue answer = result_at(ctx, "chroot", path, chroot(path));
  free_text(ctx, path);
  return answer;
}

/* stdio(path): opens path as descriptors 0, 1 and 2. */
FUNCTION(js_stdio) {
  const char *path = text(ctx, argv[0]);
  if (!path) return JS_EXCEPTION;
  const int fd = open(path, O_RDWR | O_NOCTTY);
  JSValue answer = result_at(ctx, "open", path, fd);
  for (int target = 0; fd >= 0 && target <= 2; target++)
    if (fd != target) dup2(fd, target);
  if (fd > 2) close(fd);
  free_text(ctx, path);
  return answer;
}

FUNCTION(js_sethostname) {
  const char *name = text(ctx, argv[0]);
  if (!name) return JS_EXCEPTION;
  JSValue answer = result(ctx, "sethostname", sethostname(name, strlen(name)));
  free_text(ctx, name);
  return answer;
}

FUNCTION(js_interface_up) {
  const char *name = text(ctx, argv[0]);
  if (!name) return JS_EXCEPTION;
  struct ifreq request = {0};
  snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  int value = fd < 0 ? -1 : ioctl(fd, SIOCGIFFLAGS, &request);
  request.ifr_flags |= IFF_UP;
  if (value == 0) value = ioctl(fd, SIOCSIFFLAGS, &request);
  JSValue answer = result_at(ctx, "bring up", name, value);
  if (fd >= 0) close(fd);
  free_text(ctx, name);
  return answer;
}

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

/* reboot(command): RB_POWER_OFF or RB_AUTOBOOT. */
FUNCTION(js_reboot) { return result(ctx, "reboot", reboot(integer(ctx, argv[0]))); }
FUNCTION(js_sync) {
  sync();
  return JS_UNDEFINED;
}

FUNCTION(js_set_clock) {
  struct timespec now = {.tv_sec = long_integer(ctx, argv[0]), .tv_nsec = long_integer(ctx, argv[1])};
  return result(ctx, "clock_settime", clock_settime(CLOCK_REALTIME, &now));
}

/* addEntropy(bytes): credits the random pool, then makes the generator use it now. */
FUNCTION(js_add_entropy) {
  size_t length;
  uint8_t *start = bytes(ctx, argv[0], &length);
  if (!start) return JS_EXCEPTION;
  struct rand_pool_info *pool = malloc(sizeof *pool + length);
  if (!pool) return JS_ThrowOutOfMemory(ctx);
  pool->entropy_count = length * 8;
  pool->buf_size = length;
  memcpy(pool->buf, start, length);
  const int fd = open("/dev/urandom", O_RDWR | O_CLOEXEC);
  int value = fd < 0 ? -1 : ioctl(fd, RNDADDENTROPY, pool);
  if (value == 0) value = ioctl(fd, RNDRESEEDCRNG);
  JSValue answer = result(ctx, "reseed", value);
  explicit_bzero(pool, sizeof *pool + length);
  free(pool);
  if (fd >= 0) close(fd);
  return answer;
}

/* limitFiles(soft, hard) */
FUNCTION(js_limit_files) {
  struct rlimit limit = {.rlim_cur = long_integer(ctx, argv[0]), .rlim_max = long_integer(ctx, argv[1])};
  return result(ctx, "setrlimit", setrlimit(RLIMIT_NOFILE, &limit));
}

/* unlimitUsers() */
FUNCTION(js_unlimit_users) {
  const struct rlimit limit = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
  return result(ctx, "setrlimit", setrlimit(RLIMIT_NPROC, &limit) < 0 ? -1 : setrlimit(RLIMIT_SIGPENDING, &limit));
}

/* --- processes ------------------------------------------------------------------------------------------- */

/* spawn(argv, env, fds): runs argv[0] with exactly these descriptors as 0, 1, 2, ... in a new session; its pid. */
FUNCTION(js_spawn) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
  JSValue length_value = JS_GetPropertyStr(ctx, argv[2], "length");
  const int length = integer(ctx, length_value);
  JS_FreeValue(ctx, length_value);
  /* Duplicates above the targets first: a plain dup2 chain would overwrite a source that is also a target. */
  int high[16], used = 0, error = length > 16 ? E2BIG : 0;
  /* Without one of its descriptors the program would have the agent's own. */
  for (; !error && used < length; used++) {
    JSValue item = JS_GetPropertyUint32(ctx, argv[2], used);
    high[used] = fcntl(integer(ctx, item), F_DUPFD_CLOEXEC, 64);
    error = high[used] < 0 ? errno : posix_spawn_file_actions_adddup2(&actions, high[used], used);
    JS_FreeValue(ctx, item);
  }
  char **arguments = vector(ctx, argv[0]), **environment = arguments ? vector(ctx, argv[1]) : NULL;
  JSValue answer = JS_EXCEPTION;
  if (environment) {
    pid_t pid = -1;
    if (!error) error = posix_spawn(&pid, arguments[0], &actions, &attributes, arguments, environment);
    answer = error ? fail_at(ctx, "spawn", arguments[0] ? arguments[0] : "", error) : JS_NewInt32(ctx, pid);
  }
  for (int index = 0; index < used; index++) close(high[index]);
  free_vector(arguments), free_vector(environment);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return answer;
}

/* execute(path, argv, env): comes back only with an error. */
FUNCTION(js_execute) {
  const char *path = text(ctx, argv[0]);
  if (!path) return JS_EXCEPTION;
  char **arguments = vector(ctx, argv[1]), **environment = arguments ? vector(ctx, argv[2]) : NULL;
  JSValue answer = JS_EXCEPTION;
  if (environment) {
    execve(path, arguments, environment);
    answer = fail_at(ctx, "execve", path, errno);
  }
  free_vector(arguments), free_vector(environment);
  free_text(ctx, path);
  return answer;
}

/* reap(): [pid, wait status] of one ended child, or null. */
FUNCTION(js_reap) {
  int status;
  const pid_t pid = waitpid(-1, &status, WNOHANG);
  if (pid <= 0) return JS_NULL;
  JSValue array = JS_NewArray(ctx);
  JS_SetPropertyUint32(ctx, array, 0, JS_NewInt32(ctx, pid));
  JS_SetPropertyUint32(ctx, array, 1, JS_NewInt32(ctx, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)));
  return array;
}

/* childSignals(): blocks SIGCHLD, ignores SIGPIPE; a descriptor that is readable when a child has ended. */
FUNCTION(js_child_signals) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  sigprocmask(SIG_BLOCK, &set, NULL);
  signal(SIGPIPE, SIG_IGN);
  return result(ctx, "signalfd", signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

FUNCTION(js_kill) { return result(ctx, "kill", kill(integer(ctx, argv[0]), integer(ctx, argv[1]))); }

/* --- readiness ------------------------------------------------------------------------------------------- */

FUNCTION(js_epoll_create) { return result(ctx, "epoll_create1", epoll_create1(EPOLL_CLOEXEC)); }

/* epollControl(epoll, operation, fd, events) */
FUNCTION(js_epoll_control) {
  struct epoll_event event = {.events = (uint32_t)long_integer(ctx, argv[3]), .data.fd = integer(ctx, argv[2])};
  return result(ctx, "epoll_ctl", epoll_ctl(integer(ctx, argv[0]), integer(ctx, argv[1]), event.data.fd, &event));
}

/* epollWait(epoll): what is ready now, flat: fd, events, fd, events, ... */
FUNCTION(js_epoll_wait) {
  struct epoll_event events[32];
  const int count = epoll_wait(integer(ctx, argv[0]), events, 32, 0);
  if (count < 0 && errno != EINTR) return fail(ctx, "epoll_wait", errno);
  JSValue array = JS_NewArray(ctx);
  for (int index = 0; index < count; index++) {
    JS_SetPropertyUint32(ctx, array, 2 * index, JS_NewInt32(ctx, events[index].data.fd));
    JS_SetPropertyUint32(ctx, array, 2 * index + 1, JS_NewUint32(ctx, events[index].events));
  }
  return array;
}

/* --- sockets and terminals ------------------------------------------------------------------------------- */

/* listenUnix(path): a listening stream socket. */
FUNCTION(js_listen_unix) {
  const char *path = text(ctx, argv[0]);
  if (!path) return JS_EXCEPTION;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int error = strlen(path) < sizeof address.sun_path ? 0 : ENAMETOOLONG;
  const int fd = error ? -1 : socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (!error) {
    strcpy(address.sun_path, path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 4) < 0) error = errno;
  }
  JSValue answer = error ? fail_at(ctx, "listen on", path, error) : JS_NewInt32(ctx, fd);
  if (error && fd >= 0) close(fd);
  free_text(ctx, path);
  return answer;
}

/* listenVsock(port): a listening AF_VSOCK stream socket on any CID. */
FUNCTION(js_listen_vsock) {
  struct sockaddr_vm address = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = (unsigned)long_integer(ctx, argv[0])};
  const int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 4) == 0) return JS_NewInt32(ctx, fd);
  const int error = errno;
  if (fd >= 0) close(fd);
  return fail(ctx, "listen on vsock", error);
}

/* accept(fd): a non-blocking connection, or null when none waits. One over vsock that is not the host's is refused. */
FUNCTION(js_accept) {
  struct sockaddr_storage peer = {0};
  const struct sockaddr_vm *machine = (const struct sockaddr_vm *)&peer;
  socklen_t length = sizeof peer;
  const int fd = accept4(integer(ctx, argv[0]), (struct sockaddr *)&peer, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0 && (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR)) return JS_NULL;
  if (fd >= 0 && peer.ss_family == AF_VSOCK && machine->svm_cid != VMADDR_CID_HOST) return close(fd), JS_NULL;
  return result(ctx, "accept4", fd);
}

/* receiveFd(socket): the descriptor in the next message, or null when there is none yet. */
FUNCTION(js_receive_fd) {
  char data[256], control[CMSG_SPACE(sizeof(int))];
  struct iovec vector = {.iov_base = data, .iov_len = sizeof data};
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  const ssize_t count = recvmsg(integer(ctx, argv[0]), &message, MSG_CMSG_CLOEXEC);
  if (count < 0) return errno == EAGAIN ? JS_NULL : fail(ctx, "recvmsg", errno);
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS || header->cmsg_len < CMSG_LEN(sizeof(int))) return fail(ctx, "recvmsg", EPROTO);
  int fd;
  memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return JS_NewInt32(ctx, fd);
}

/* openSocket(domain, type, protocol): non-blocking. */
FUNCTION(js_open_socket) {
  const int type = integer(ctx, argv[1]) | SOCK_CLOEXEC | SOCK_NONBLOCK;
  return result(ctx, "socket", socket(integer(ctx, argv[0]), type, integer(ctx, argv[2])));
}

/* receive(fd, size): one whole datagram, or null when there is none yet. */
FUNCTION(js_receive) {
  const size_t size = long_integer(ctx, argv[1]);
  uint8_t *block = malloc(size ? size : 1);
  if (!block) return fail(ctx, "recv", ENOMEM);
  ssize_t count;
  do count = recv(integer(ctx, argv[0]), block, size, MSG_TRUNC);
  while (count < 0 && errno == EINTR);
  if (count >= 0 && (size_t)count <= size) return owned_bytes(ctx, block, count);
  const int error = count < 0 ? errno : EMSGSIZE;
  free(block);
  return error == EAGAIN ? JS_NULL : fail(ctx, "recv", error);
}

FUNCTION(js_set_window) {
  struct winsize size = {.ws_row = integer(ctx, argv[1]), .ws_col = integer(ctx, argv[2])};
  return result(ctx, "TIOCSWINSZ", ioctl(integer(ctx, argv[0]), TIOCSWINSZ, &size));
}

/* --- promises -------------------------------------------------------------------------------------------- */

static JSValue rejection_handler;

static void track_rejection(JSContext *ctx, JSValueConst promise, JSValueConst reason, JS_BOOL handled, void *opaque) {
  JSValueConst arguments[] = {promise, reason, handled ? JS_TRUE : JS_FALSE};
  JS_FreeValue(ctx, JS_Call(ctx, rejection_handler, JS_UNDEFINED, 3, arguments));
}

/* onRejection(handler): handler(promise, reason, handled) for each promise rejected without, or given, a handler. */
FUNCTION(js_on_rejection) {
  JS_FreeValue(ctx, rejection_handler);
  rejection_handler = JS_DupValue(ctx, argv[0]);
  JS_SetHostPromiseRejectionTracker(JS_GetRuntime(ctx), track_rejection, NULL);
  return JS_UNDEFINED;
}

/* --- the kernel's requests for modules ------------------------------------------------------------------- */

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

/* --- module ---------------------------------------------------------------------------------------------- */

static const JSCFunctionListEntry functions[] = {
    JS_CFUNC_DEF("onRejection", 1, js_on_rejection),
    JS_CFUNC_DEF("utf8Encode", 1, js_utf8_encode),
    JS_CFUNC_DEF("utf8Decode", 1, js_utf8_decode),
    JS_CFUNC_DEF("readFile", 1, js_read_file),
    JS_CFUNC_DEF("writeFile", 4, js_write_file),
    JS_CFUNC_DEF("read", 2, js_read),
    JS_CFUNC_DEF("readInto", 2, js_read_into),
    JS_CFUNC_DEF("write", 3, js_write),
    JS_CFUNC_DEF("pwrite", 3, js_pwrite),
    JS_CFUNC_DEF("pread", 3, js_pread),
    JS_CFUNC_DEF("open", 3, js_open),
    JS_CFUNC_DEF("openIn", 4, js_open_in),
    JS_CFUNC_DEF("mkdirat", 3, js_mkdirat),
    JS_CFUNC_DEF("unlinkat", 3, js_unlinkat),
    JS_CFUNC_DEF("symlinkat", 3, js_symlinkat),
    JS_CFUNC_DEF("renameat", 3, js_renameat),
    JS_CFUNC_DEF("lchownat", 4, js_lchownat),
    JS_CFUNC_DEF("fileSystem", 1, js_file_system),
    JS_CFUNC_DEF("growFileSystem", 3, js_grow_file_system),
    JS_CFUNC_DEF("syncFileSystems", 0, js_sync_file_systems),
    JS_CFUNC_DEF("syncFileSystem", 1, js_sync_file_system),
    JS_CFUNC_DEF("startMount", 5, js_start_mount),
    JS_CFUNC_DEF("enterDirectories", 1, js_enter_directories),
    JS_CFUNC_DEF("mapDevice", 4, js_map_device),
    JS_CFUNC_DEF("unmapDevice", 1, js_unmap_device),
    JS_CFUNC_DEF("nameErrno", 1, js_name_errno),
    JS_CFUNC_DEF("fileSize", 1, js_file_size),
    JS_CFUNC_DEF("fchmod", 2, js_fchmod),
    JS_CFUNC_DEF("chmod", 2, js_chmod),
    JS_CFUNC_DEF("lchown", 3, js_lchown),
    JS_CFUNC_DEF("dup", 1, js_dup),
    JS_CFUNC_DEF("close", 1, js_close),
    JS_CFUNC_DEF("pipe", 1, js_pipe),
    JS_CFUNC_DEF("unread", 1, js_unread),
    JS_CFUNC_DEF("splice", 3, js_splice),
    JS_CFUNC_DEF("setNonblocking", 1, js_set_nonblocking),
    JS_CFUNC_DEF("mount", 5, js_mount),
    JS_CFUNC_DEF("umount", 2, js_umount),
    JS_CFUNC_DEF("chroot", 1, js_chroot),
    JS_CFUNC_DEF("stdio", 1, js_stdio),
    JS_CFUNC_DEF("setHostname", 1, js_sethostname),
    JS_CFUNC_DEF("interfaceUp", 1, js_interface_up),
    JS_CFUNC_DEF("loadModule", 2, js_load_module),
    JS_CFUNC_DEF("loadPackedModule", 4, js_load_packed_module),
    JS_CFUNC_DEF("sealedCopy", 1, js_sealed_copy),
    JS_CFUNC_DEF("reboot", 1, js_reboot),
    JS_CFUNC_DEF("sync", 0, js_sync),
    JS_CFUNC_DEF("setClock", 2, js_set_clock),
    JS_CFUNC_DEF("addEntropy", 1, js_add_entropy),
    JS_CFUNC_DEF("limitFiles", 2, js_limit_files),
    JS_CFUNC_DEF("unlimitUsers", 0, js_unlimit_users),
    JS_CFUNC_DEF("spawn", 3, js_spawn),
    JS_CFUNC_DEF("execute", 3, js_execute),
    JS_CFUNC_DEF("reap", 0, js_reap),
    JS_CFUNC_DEF("childSignals", 0, js_child_signals),
    JS_CFUNC_DEF("kill", 2, js_kill),
    JS_CFUNC_DEF("epollCreate", 0, js_epoll_create),
    JS_CFUNC_DEF("epollControl", 4, js_epoll_control),
    JS_CFUNC_DEF("epollWait", 1, js_epoll_wait),
    JS_CFUNC_DEF("listenUnix", 1, js_listen_unix),
    JS_CFUNC_DEF("listenVsock", 1, js_listen_vsock),
    JS_CFUNC_DEF("accept", 1, js_accept),
    JS_CFUNC_DEF("receiveFd", 1, js_receive_fd),
    JS_CFUNC_DEF("openSocket", 3, js_open_socket),
    JS_CFUNC_DEF("receive", 2, js_receive),
    JS_CFUNC_DEF("setWindow", 3, js_set_window),
};

static int start(JSContext *ctx, JSModuleDef *module) {
  return JS_SetModuleExportList(ctx, module, functions, sizeof functions / sizeof *functions);
}

/* Called by the main() that qjsc generates. */
JSModuleDef *js_init_module_syscalls(JSContext *ctx, const char *name) {
  JSModuleDef *module = JS_NewCModule(ctx, name, start);
  if (module) JS_AddModuleExportList(ctx, module, functions, sizeof functions / sizeof *functions);
  return module;
}
