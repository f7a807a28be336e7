/*
 * A double of Firecracker's jailer, for tests where the real one cannot be had: the same command line, the same steps in
 * the same order, and failure where it would fail. No part of the product.
 *
 * In one thing it differs: /usr of the host is open as descriptor 3 in what it starts, because the double of Firecracker
 * needs QEMU, which the jail does not have.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

/* By this a test tells it from the real program, wherever it lies (e2e/doubles/common/marker.ts). */
__attribute__((used)) static const char marker[] = "kata-ts: this is a double, not the real program";

#define MOST 32

static struct {
  const char *id, *exec_file, *uid, *gid, *chroot_base, *netns, *parent_cgroup, *cgroup_version;
  const char *cgroups[MOST], *limits[MOST];
  int cgroup_count, limit_count, daemonize, new_pid_ns;
  char **extra;
} options = {.chroot_base = "/srv/jailer", .cgroup_version = "1"};

static char exec_path[PATH_MAX], chroot_dir[PATH_MAX], *exec_name;
static uid_t uid;
static gid_t gid;

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...) {
  va_list values;
  va_start(values, format);
  fputs("jailer: Error: ", stderr);
  vfprintf(stderr, format, values);
  fputc('\n', stderr);
  exit(1);
}

__attribute__((noreturn)) static void fail_call(const char *what, const char *path) {
  fail("%s %s: %s", what, path, strerror(errno));
}

/* --- command line ------------------------------------------------------------------------------------------ */

static void parse(int argc, char **argv) {
  const struct {
    const char *name, **value;
  } valued[] = {{"--id", &options.id}, {"--exec-file", &options.exec_file}, {"--uid", &options.uid}, {"--gid", &options.gid},
      {"--chroot-base-dir", &options.chroot_base}, {"--netns", &options.netns}, {"--parent-cgroup", &options.parent_cgroup},
      {"--cgroup-version", &options.cgroup_version}, {"--cgroup", NULL}, {"--resource-limit", NULL}};
  unsigned int seen = 0;
  for (int at = 1; at < argc; at++) {
    unsigned int index = 0;
    if (!strcmp(argv[at], "--")) {
      options.extra = argv + at + 1;
      break;
    }
    if (!strcmp(argv[at], "--version")) {
      puts("Jailer v1.16.1-double");
      exit(0);
    }
    if (!strcmp(argv[at], "--daemonize")) options.daemonize = 1;
    else if (!strcmp(argv[at], "--new-pid-ns")) options.new_pid_ns = 1;
    else {
      while (index < sizeof valued / sizeof *valued && strcmp(argv[at], valued[index].name)) index++;
      if (index == sizeof valued / sizeof *valued) fail("Found argument '%s' which wasn't expected, or isn't valid in this context.", argv[at]);
      if (at + 1 >= argc || !strncmp(argv[at + 1], "--", 2)) fail("The argument '%s' requires a value, but none was supplied.", argv[at]);
      if (!valued[index].value) {
        const int is_cgroup = !strcmp(argv[at], "--cgroup");
        int *count = is_cgroup ? &options.cgroup_count : &options.limit_count;
        if (*count == MOST) fail("the double takes %d of %s", MOST, argv[at]);
        (is_cgroup ? options.cgroups : options.limits)[(*count)++] = argv[++at];
        continue;
      }
      if (seen & 1u << index) fail("The argument '%s' was provided more than once.", argv[at]);
      seen |= 1u << index;
      *valued[index].value = argv[++at];
    }
  }
}

static unsigned int number(const char *text, const char *what) {
  char *end;
  errno = 0;
  const unsigned long value = text && isdigit((unsigned char)*text) ? strtoul(text, &end, 10) : (end = "x", 0);
  if (*end || errno || value > UINT_MAX) fail("Invalid %s: %s", what, text ? text : "");
  return value;
}

static void validate(void) {
  struct stat facts;
  char base[PATH_MAX];
  if (!options.id) fail("The argument '--id' is required, but not found.");
  if (!options.exec_file) fail("The argument '--exec-file' is required, but not found.");
  if (!options.uid || !options.gid) fail("The arguments '--uid' and '--gid' are required, but not found.");
  if (strlen(options.id) > 64 || !*options.id) fail("Invalid instance ID: Invalid len (%zu)", strlen(options.id));
  for (const char *at = options.id; *at; at++)
    if (!isalnum((unsigned char)*at) && *at != '-') fail("Invalid instance ID: Invalid char (%c)", *at);
  if (!realpath(options.exec_file, exec_path)) fail_call("Failed to canonicalize path", options.exec_file);
  if (stat(exec_path, &facts) < 0 || !S_ISREG(facts.st_mode)) fail("%s is not a file", exec_path);
  exec_name = strrchr(exec_path, '/') + 1;
  if (!realpath(options.chroot_base, base)) fail_call("Failed to canonicalize path", options.chroot_base);
  if (stat(base, &facts) < 0 || !S_ISDIR(facts.st_mode)) fail("%s is not a directory", base);
  if (snprintf(chroot_dir, sizeof chroot_dir, "%s/%s/%s/root", base, exec_name, options.id) >= (int)sizeof chroot_dir) fail("the path of the jail is too long");
  uid = number(options.uid, "uid");
  gid = number(options.gid, "gid");
  if (options.parent_cgroup && (*options.parent_cgroup == '/' || strstr(options.parent_cgroup, ".."))) fail("Parent cgroup path is invalid. Path should not be absolute or contain '..' or '.'");
  const unsigned int version = number(options.cgroup_version, "cgroup version");
  if (version != 1 && version != 2) fail("%u is an invalid version for cgroups", version);
}

/* --- steps ------------------------------------------------------------------------------------------------- */

static void make_directories(const char *path) {
  char part[PATH_MAX];
  for (const char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
    snprintf(part, sizeof part, "%.*s", slash ? (int)(slash - path) : (int)strlen(path), path);
    if (mkdir(part, 0777) < 0 && errno != EEXIST) fail_call("Failed to create directory", part);
    if (!slash) return;
  }
}

/* The minor number of /dev/userfaultfd, where the kernel has it. */
static int userfaultfd_minor(void) {
  char name[64];
  int minor_number, found = -1;
  FILE *misc = fopen("/proc/misc", "re");
  while (misc && fscanf(misc, "%d %63s", &minor_number, name) == 2)
    if (!strcmp(name, "userfaultfd")) found = minor_number;
  if (misc) fclose(misc);
  return found;
}

/* From the first byte on the copy is the user's. */
static void copy_exec(void) {
  char target[PATH_MAX + 256], buffer[65536];
  snprintf(target, sizeof target, "%s/%s", chroot_dir, exec_name);
  const int from = open(exec_path, O_RDONLY | O_CLOEXEC);
  if (from < 0) fail_call("Failed to copy", exec_path);
  const int to = open(target, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0755);
  if (to < 0 || fchown(to, uid, gid) < 0) fail_call("Failed to copy to", target);
  for (ssize_t count; (count = read(from, buffer, sizeof buffer)) != 0;)
    if (count < 0 || write(to, buffer, count) != count) fail_call("Failed to copy to", target);
  close(from);
  close(to);
}

static void join_netns(void) {
  const int fd = open(options.netns, O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail_call("Failed to open file", options.netns);
  if (setns(fd, CLONE_NEWNET) < 0) fail("Failed to set network namespace: %s", strerror(errno));
  close(fd);
}

static void set_limits(void) {
  struct rlimit files = {2048, 2048};
  for (int at = 0; at < options.limit_count; at++) {
    const char *limit = options.limits[at], *equals = strchr(limit, '=');
    if (!equals) fail("Invalid format for resources limits: %s", limit);
    const rlim_t value = number(equals + 1, "resource limit");
    const struct rlimit both = {value, value};
    if (!strncmp(limit, "no-file=", 8)) files = both;
    else if (strncmp(limit, "fsize=", 6)) fail("Invalid resource argument: %s", limit);
    else if (setrlimit(RLIMIT_FSIZE, &both) < 0) fail("Failed to set limit for resource: %s", strerror(errno));
  }
  if (setrlimit(RLIMIT_NOFILE, &files) < 0) fail("Failed to set limit for resource: %s", strerror(errno));
}

static void write_text(const char *path, const char *text) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, text, strlen(text)) < 0) fail_call("Failed to write", path);
  close(fd);
}

/* Where the hierarchy of version 2, or that of version 1 with this controller, is mounted. */
static void cgroup_mount(const char *controller, char *point) {
  char line[4096], type[64], settings[1024];
  FILE *mounts = fopen("/proc/mounts", "re");
  while (mounts && fgets(line, sizeof line, mounts)) {
    if (sscanf(line, "%*s %4095s %63s %1023s", point, type, settings) != 3) continue;
    if (*options.cgroup_version == '2' && !strcmp(type, "cgroup2")) return (void)fclose(mounts);
    if (*options.cgroup_version == '2' || strcmp(type, "cgroup")) continue;
    for (char *word = strtok(settings, ","); word; word = strtok(NULL, ","))
      if (!strcmp(word, controller)) return (void)fclose(mounts);
  }
  fail("Controller %s is unavailable", controller);
}

static void set_cgroups(void) {
  char controller[64], point[4096], directory[PATH_MAX], file[PATH_MAX + 256], pid[32];
  snprintf(pid, sizeof pid, "%d", getpid());
  for (int at = 0; at < options.cgroup_count; at++) {
    const char *cgroup = options.cgroups[at], *equals = strchr(cgroup, '='), *dot = strchr(cgroup, '.');
    if (!equals || !equals[1] || strchr(equals + 1, '=')) fail("Invalid format for cgroups: %s", cgroup);
    if (!dot || dot > equals) fail("Invalid format for cgroups: %s", cgroup);
    snprintf(controller, sizeof controller, "%.*s", (int)(dot - cgroup), cgroup);
    cgroup_mount(controller, point);
    snprintf(directory, sizeof directory, "%s/%s/%s", point, options.parent_cgroup ? options.parent_cgroup : exec_name, options.id);
    make_directories(directory);
    snprintf(file, sizeof file, "%s/%.*s", directory, (int)(equals - cgroup), cgroup);
    write_text(file, equals + 1);
    snprintf(file, sizeof file, "%s/%s", directory, *options.cgroup_version == '2' ? "cgroup.procs" : "tasks");
    write_text(file, pid);
  }
}

static void enter_chroot(void) {
  if (unshare(CLONE_NEWNS) < 0) fail("Failed to unshare into new mount namespace: %s", strerror(errno));
  if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0) fail("Failed to change the propagation type to slave: %s", strerror(errno));
  if (mount(chroot_dir, chroot_dir, NULL, MS_BIND | MS_REC, NULL) < 0) fail("Failed to bind mount the jail root directory: %s", strerror(errno));
  if (chdir(chroot_dir) < 0) fail("Failed to change current directory: %s", strerror(errno));
  if (mkdir("old_root", 0600) < 0) fail("Failed to create the jail root directory before pivoting root: %s", strerror(errno));
  if (syscall(SYS_pivot_root, ".", "old_root") < 0) fail("Failed to pivot root: %s", strerror(errno));
  if (chdir("/") < 0) fail("Failed to change directory: %s", strerror(errno));
  if (umount2("old_root", MNT_DETACH) < 0) fail("Failed to unmount the old jail root: %s", strerror(errno));
  if (rmdir("old_root") < 0) fail("Failed to remove old jail root directory: %s", strerror(errno));
}

static void own_folder(const char *path) {
  make_directories(path);
  if (chmod(path, 0700) < 0) fail_call("Failed to change permissions on", path);
  if (chown(path, uid, gid) < 0) fail_call("Failed to change owner for", path);
}

static int make_device(const char *path, int major_number, int minor_number) {
  if (mknod(path, S_IFCHR | 0600, makedev(major_number, minor_number)) < 0) return -1;
  if (chmod(path, 0600) < 0) return -1;
  return chown(path, uid, gid);
}

static void need_device(const char *path, int major_number, int minor_number) {
  if (make_device(path, major_number, minor_number) < 0) fail("Failed to create %s via mknod inside the jail: %s", path, strerror(errno));
}

static void save_pid(pid_t pid) {
  char path[PATH_MAX], text[32];
  snprintf(path, sizeof path, "/%s.pid", exec_name);
  const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  snprintf(text, sizeof text, "%d", pid);
  if (fd < 0 || write(fd, text, strlen(text)) < 0) fail_call("Failed to open file", path);
  close(fd);
}

__attribute__((noreturn)) static void become_firecracker(void) {
  char path[PATH_MAX], now[32];
  char *argv[64] = {path, "--id", (char *)options.id, "--start-time-us", now, "--start-time-cpu-us", "0", "--parent-cpu-time-us", "0"};
  int words = 9;
  snprintf(path, sizeof path, "/%s", exec_name);
  snprintf(now, sizeof now, "%lld", (long long)time(NULL) * 1000000);
  for (char **word = options.extra; word && *word && words < 63; word++) argv[words++] = *word;
  if (setgid(gid) < 0 || setgroups(0, NULL) < 0 || setuid(uid) < 0) fail("Failed to exec into Firecracker: %s", strerror(errno));
  execve(path, argv, (char *[]){NULL});
  fail("Failed to exec into Firecracker: %s", strerror(errno));
}

static void daemonize(int null) {
  const pid_t child = fork();
  if (child < 0) fail("Failed to daemonize: %s", strerror(errno));
  if (child) exit(0);
  if (setsid() < 0) fail("Failed to setsid: %s", strerror(errno));
  if (fork()) exit(0);
  for (int fd = 0; fd < 3; fd++) dup2(null, fd);
}

int main(int argc, char **argv) {
  umask(022);
  close_range(3, ~0U, 0);
  clearenv();
  parse(argc, argv);
  validate();
  // The double's own: before the new mount namespace, so that it outlives the old root.
  const int usr = open("/usr", O_RDONLY | O_DIRECTORY);
  if (usr != 3) dup2(usr, 3), close(usr);
  const int userfaultfd = userfaultfd_minor();
  make_directories(chroot_dir);
  copy_exec();
  if (options.netns) join_netns();
  set_limits();
  set_cgroups();
  const int null = options.daemonize ? open("/dev/null", O_RDWR | O_CLOEXEC) : -1;
  enter_chroot();
  own_folder("/");
  own_folder("/dev");
  own_folder("/dev/net");
  own_folder("/run");
  need_device("/dev/net/tun", 10, 200);
  need_device("/dev/kvm", 10, 232);
  if (make_device("/dev/urandom", 1, 9) < 0) printf("Warning! Could not create /dev/urandom device inside jailer: %s.\n", strerror(errno));
  if (userfaultfd >= 0) need_device("/dev/userfaultfd", 10, userfaultfd);
  if (options.daemonize) daemonize(null);
  if (!options.new_pid_ns) {
    save_pid(getpid());
    become_firecracker();
  }
  const int leads_session = getsid(0) == getpid();
  const pid_t child = syscall(SYS_clone, CLONE_NEWPID | 17, NULL, NULL, NULL, NULL);
  if (child < 0) fail("Failed to clone: %s", strerror(errno));
  if (child == 0) {
    if (leads_session) setsid();
    become_firecracker();
  }
  save_pid(child);
  return 0;
}
