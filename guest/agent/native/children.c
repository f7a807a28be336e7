/* What can take long, each in a child of its own: the agent goes on answering its host. Growing a file system is one of them; what a child tells is an errno. */
#include "syscalls.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

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

/* nameErrno(number): "EINVAL" */
FUNCTION(js_name_errno) {
  const char *name = strerrorname_np(integer(ctx, argv[0]));
  return JS_NewString(ctx, name ? name : "EUNKNOWN");
}

static const JSCFunctionListEntry functions[] = {
    JS_CFUNC_DEF("growFileSystem", 3, js_grow_file_system),
    JS_CFUNC_DEF("syncFileSystems", 0, js_sync_file_systems),
    JS_CFUNC_DEF("syncFileSystem", 1, js_sync_file_system),
    JS_CFUNC_DEF("startMount", 5, js_start_mount),
    JS_CFUNC_DEF("enterDirectories", 1, js_enter_directories),
    JS_CFUNC_DEF("nameErrno", 1, js_name_errno),
};
const struct subject child_calls = SUBJECT(functions);
