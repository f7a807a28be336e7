// A program that takes the VMM's place and tries one act per argument, each in a child of its own where it can make one. Prints one JSON
// line per act: {"act":"open-read /etc/shadow","result":"EACCES"}; "ok" when it succeeded, "exit 1" when a
// program could be started and failed, "SYS" when the kernel ended the attacker with SIGSYS.
// An act is `name parameter...`; a name that is not in the table below is a system call with plain parameters.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/perf_event.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

typedef long act(char **arg);

// Results that no system call gives: the act had no effect although nothing failed.
static long refused(void) { errno = EPERM; return -1; }
static int number(const char *text) { return (int)strtol(text, 0, 0); }

// Files. Nothing is changed by a success: what was made is removed again.
static long open_read(char **arg) {
  char byte;
  int fd = open(arg[0], O_RDONLY);
  return fd < 0 ? -1 : read(fd, &byte, 1);
}
static long open_write(char **arg) { return open(arg[0], O_WRONLY); }
// To be looked at, until it is ended.
static long stay(char **arg) {
  (void)arg;
  return pause();
}
static long list(char **arg) {
  DIR *directory = opendir(arg[0]);
  return directory == 0 ? -1 : readdir(directory) == 0 ? -1 : 0;
}
static long stat_path(char **arg) {
  struct stat facts;
  return stat(arg[0], &facts);
}
static long create(char **arg) { return open(arg[0], O_CREAT | O_EXCL, 0600) < 0 ? -1 : unlink(arg[0]); }
static long make_directory(char **arg) { return mkdir(arg[0], 0700) < 0 ? -1 : rmdir(arg[0]); }
static long make_link(char **arg) { return symlink("/", arg[0]) < 0 ? -1 : unlink(arg[0]); }
static long make_device(char **arg) { return mknod(arg[0], S_IFCHR | 0600, 0x103) < 0 ? -1 : unlink(arg[0]); }
static int exit_code;  // of a program that could be started
static long execute(char **arg) {
  volatile int failed = 0;
  int status;
  pid_t child = vfork();
  // Where no process can be made, a success puts the program in the attacker's place.
  if (child < 0) return close(2), execv(arg[0], arg);
  if (child == 0) {
    close(2);
    execv(arg[0], arg);
    failed = errno;
    _exit(0);
  }
  if (waitpid(child, &status, 0) < 0) return -1;
  exit_code = WEXITSTATUS(status);
  errno = failed;
  return failed ? -1 : 0;
}
// Out of a file that is nowhere: a script that runs a program that is there, or the attacker itself, which tells whether it is root then.
static long execute_memory(char **arg) {
  static const char script[] = "#!/usr/bin/true\n";
  static char bytes[1 << 16], *words[] = {"", "am-i-root", 0};
  volatile int failed = 0;
  int status, fd = memfd_create("attacker", 0), from = arg[0] ? open(arg[0], O_RDONLY) : -1;
  if (fd < 0 || (arg[0] && from < 0)) return -1;
  ssize_t size = arg[0] ? read(from, bytes, sizeof bytes) : snprintf(bytes, sizeof bytes, "%s", script);
  if (size < 0 || write(fd, bytes, (size_t)size) < 0) return -1;
  pid_t child = vfork();
  if (child < 0) return syscall(SYS_execveat, fd, "", words, (char *[]){0}, AT_EMPTY_PATH);
  if (child == 0) {
    syscall(SYS_execveat, fd, "", words, (char *[]){0}, AT_EMPTY_PATH);
    failed = errno;
    _exit(0);
  }
  if (waitpid(child, &status, 0) < 0) return -1;
  exit_code = WEXITSTATUS(status);
  errno = failed;
  return failed ? -1 : 0;
}
static long by_handle(char **arg) {
  struct { struct file_handle head; unsigned char bytes[MAX_HANDLE_SZ]; } handle = {{.handle_bytes = MAX_HANDLE_SZ}};
  int mount, root = open(arg[1], O_RDONLY);
  if (name_to_handle_at(AT_FDCWD, arg[0], &handle.head, &mount, 0) < 0) return -1;
  return open_by_handle_at(root, &handle.head, O_RDONLY);
}

// Other processes.
static long signal_pidfd(char **arg) {
  int fd = (int)syscall(SYS_pidfd_open, number(arg[0]), 0);
  return fd < 0 ? -1 : syscall(SYS_pidfd_send_signal, fd, 0, 0, 0);
}
static long take_descriptor(char **arg) {
  int fd = (int)syscall(SYS_pidfd_open, number(arg[0]), 0);
  return fd < 0 ? -1 : syscall(SYS_pidfd_getfd, fd, 0, 0);
}
static long join_network(char **arg) {
  int fd = (int)syscall(SYS_pidfd_open, number(arg[0]), 0);
  return fd < 0 ? -1 : setns(fd, CLONE_NEWNET);
}
static long read_memory(char **arg) {
  char path[64];
  unsigned long at = strtoul(arg[1], 0, 16), word;
  snprintf(path, sizeof path, "/proc/%s/mem", arg[0]);
  int fd = open(path, O_RDONLY);
  return fd < 0 ? -1 : pread(fd, &word, sizeof word, (off_t)at);
}
static long vm_read(char **arg) {
  unsigned long word;
  struct iovec to = {&word, sizeof word}, from = {(void *)strtoul(arg[1], 0, 16), sizeof word};
  return syscall(SYS_process_vm_readv, number(arg[0]), &to, 1, &from, 1, 0);
}
static long seize(char **arg) { return syscall(SYS_ptrace, 0x4206, number(arg[0]), 0, 0); }
// Leaves a process that nobody knows of, in a session of its own.
static long hide(char **arg) {
  pid_t child = fork();
  if (child != 0) return child;
  setsid();
  close(1);
  close(2);
  for (;;) pause();
}
// Any process beside itself and its parent, whether it may be signalled or not.
static long find_process(char **arg) {
  for (pid_t pid = 1; pid < 1 << 22; pid++)
    if (pid != getpid() && pid != getppid() && (kill(pid, 0) == 0 || errno == EPERM)) return 0;
  return -1;
}
static long shared_memory(char **arg) { return shmget(number(arg[0]), 0, 0600); }

// Sockets.
static long connect_unix(const char *path, int abstract) {
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  strncpy(to.sun_path + abstract, path, sizeof to.sun_path - 2);
  socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + abstract + strlen(path));
  return connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&to, size);
}
static long connect_path(char **arg) { return connect_unix(arg[0], 0); }
static long connect_abstract(char **arg) { return connect_unix(arg[0], 1); }
static long connect_tcp(char **arg) {
  struct sockaddr_in to = {AF_INET, htons(number(arg[0])), {htonl(INADDR_LOOPBACK)}, {0}};
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  return fd < 0 ? -1 : connect(fd, (struct sockaddr *)&to, sizeof to);
}
static long open_socket(char **arg) { return socket(number(arg[0]), number(arg[1]), number(arg[2])); }
static long loopback_up(char **arg) {
  struct ifreq request = {.ifr_name = "lo"};
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) < 0) return -1;
  request.ifr_flags |= IFF_UP;
  return ioctl(fd, SIOCSIFFLAGS, &request);
}

// The host's memory, MiB, in no file of anybody's. Its own process is the one that the kernel is to end for it.
static long fill_memory(char **arg) {
  int score = open("/proc/self/oom_score_adj", O_WRONLY);
  if (write(score, "1000", 4) < 0) return -1;
  return fallocate(memfd_create("filler", 0), 0, 0, (off_t)number(arg[0]) << 20);
}

// A file system, MiB. What was written is removed again.
static long fill_file(char **arg) {
  int fd = open(arg[0], O_CREAT | O_EXCL | O_WRONLY, 0600);
  if (fd < 0) return -1;
  long result = fallocate(fd, 0, 0, (off_t)number(arg[1]) << 20);
  int failed = errno;
  unlink(arg[0]);
  errno = failed;
  return result;
}

// Privileges.
static long capabilities_full(char **arg) {
  struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct sets[2] = {{1u << 21, 1u << 21, 0}, {0, 0, 0}};
  return syscall(SYS_capset, &head, sets);
}
static long securebits(char **arg) { return prctl(PR_SET_SECUREBITS, 1, 0, 0, 0); }
static long supplementary(char **arg) {
  gid_t group = (gid_t)number(arg[0]);
  return setgroups(1, &group);
}
static long limit(char **arg) {
  struct rlimit to = {(rlim_t)number(arg[1]), (rlim_t)number(arg[1])};
  return setrlimit(number(arg[0]), &to);
}
static long dumps_core(char **arg) {
  struct rlimit size;
  int status;
  pid_t child = fork();
  if (child < 0) return -1;
  if (child == 0) {
    getrlimit(RLIMIT_CORE, &size);
    size.rlim_cur = size.rlim_max;
    setrlimit(RLIMIT_CORE, &size);
    chdir(arg[0]);
    abort();
  }
  wait(&status);
  return WCOREDUMP(status) ? 0 : refused();
}
static long real_time(char **arg) {
  struct sched_param priority = {1};
  return sched_setscheduler(0, SCHED_FIFO, &priority);
}
static long host_name(char **arg) { return sethostname("attacker", 8); }
static long count_events(char **arg) {
  struct perf_event_attr software = {.type = PERF_TYPE_SOFTWARE, .size = sizeof software};
  return syscall(SYS_perf_event_open, &software, 0, -1, -1, 0);
}
static long clock_tick(char **arg) {
  struct timex change = {.modes = ADJ_TICK, .tick = 1};  // an impossible length, refused after the permission
  return adjtimex(&change);
}

// Namespaces by clone(2), which takes the flags of unshare(2) as well.
static long clone_into(char **arg) {
  int status;
  long child = syscall(SYS_clone, strtoul(arg[0], 0, 0) | SIGCHLD, 0, 0, 0, 0);
  if (child == 0) _exit(0);
  return child < 0 ? -1 : waitpid((pid_t)child, &status, 0);
}
static long clone3_into(char **arg) {
  unsigned long args[8] = {strtoul(arg[0], 0, 0), 0, 0, 0, SIGCHLD};
  int status;
  long child = syscall(SYS_clone3, args, sizeof args);
  if (child == 0) _exit(0);
  return child < 0 ? -1 : waitpid((pid_t)child, &status, 0);
}
// The 32-bit entry to the same kernel, whose numbers differ: a filter that knows one table only lets it pass.
static long entry32(char **arg) {
  long result = strtol(arg[0], 0, 0);
  __asm__ volatile("int $0x80" : "+a"(result) : "b"(strtol(arg[1], 0, 0)) : "memory");
  if (result >= 0) return result;
  errno = (int)-result;
  return -1;
}

static const struct { const char *name; act *run; } acts[] = {
    {"open-read", open_read}, {"open-write", open_write}, {"list", list}, {"stay", stay}, {"stat", stat_path}, {"create", create},
    {"mkdir", make_directory}, {"symlink", make_link}, {"mknod", make_device}, {"exec", execute}, {"exec-memory", execute_memory},
    {"open-by-handle", by_handle}, {"pidfd-signal", signal_pidfd}, {"pidfd-getfd", take_descriptor},
    {"join-network", join_network}, {"read-memory", read_memory}, {"process_vm_readv", vm_read}, {"seize", seize}, {"hide", hide}, {"find-process", find_process},
    {"shared-memory", shared_memory}, {"connect", connect_path}, {"connect-abstract", connect_abstract},
    {"connect-tcp", connect_tcp}, {"socket", open_socket}, {"loopback-up", loopback_up}, {"capset", capabilities_full},
    {"securebits", securebits}, 
    {"setgroups", supplementary}, {"limit", limit}, {"dump-core", dumps_core}, {"real-time", real_time},
    {"sethostname", host_name}, {"clock-tick", clock_tick}, {"count-events", count_events}, {"clone", clone_into}, {"clone3", clone3_into},
    {"entry32", entry32}, {"fill-memory", fill_memory}, {"fill-file", fill_file},
};

static const struct { const char *name; long nr; } calls[] = {
    {"kill", SYS_kill}, {"getsid", SYS_getsid}, {"prctl", SYS_prctl}, {"setuid", SYS_setuid}, {"setgid", SYS_setgid}, {"setresuid", SYS_setresuid},
    {"setpriority", SYS_setpriority}, {"chroot", SYS_chroot}, {"unshare", SYS_unshare}, {"mount", SYS_mount},
    {"umount2", SYS_umount2}, {"pivot_root", SYS_pivot_root}, {"open_tree", SYS_open_tree}, {"fsopen", SYS_fsopen},
    {"mount_setattr", SYS_mount_setattr}, {"init_module", SYS_init_module}, {"finit_module", SYS_finit_module},
    {"delete_module", SYS_delete_module}, {"kexec_load", SYS_kexec_load}, {"reboot", SYS_reboot},
    {"swapon", SYS_swapon}, {"swapoff", SYS_swapoff}, {"acct", SYS_acct}, {"quotactl", SYS_quotactl},
    {"inotify_init1", SYS_inotify_init1}, {"modify_ldt", SYS_modify_ldt}, {"move_pages", SYS_move_pages}, {"ioctl", SYS_ioctl}, {"open_tree_attr", 467}, {"socketpair", SYS_socketpair},
    {"bpf", SYS_bpf}, {"keyctl", SYS_keyctl}, {"add_key", SYS_add_key},
    {"request_key", SYS_request_key}, {"io_uring_setup", SYS_io_uring_setup}, {"userfaultfd", SYS_userfaultfd},
    {"fanotify_init", SYS_fanotify_init}, {"kcmp", SYS_kcmp}, {"personality", SYS_personality},
    {"syslog", SYS_syslog}, {"iopl", SYS_iopl}, {"sched_setaffinity", SYS_sched_setaffinity},
    {"chmod", SYS_chmod}, {"fchmodat", SYS_fchmodat}, {"fchmodat2", 452}, {"creat", SYS_creat}, {"openat", SYS_openat},
    {"mknodat", SYS_mknodat}, {"prlimit64", SYS_prlimit64}, {"ioprio_set", SYS_ioprio_set}, {"setsid", SYS_setsid},
};

// Numbers are numbers, `buffer` is 4096 zero bytes, everything else is text.
static long parameter(char *text) {
  static char buffer[4096];
  char *end;
  long value = strtol(text, &end, 0);
  return *end == 0 ? value : strcmp(text, "buffer") == 0 ? (long)buffer : (long)text;
}

static long perform(char **word) {
  for (size_t i = 0; i < sizeof acts / sizeof *acts; i++)
    if (strcmp(acts[i].name, word[0]) == 0) return acts[i].run(word + 1);
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
    if (strcmp(calls[i].name, word[0]) != 0) continue;
    long p[6] = {0};
    for (int n = 0; n < 6 && word[n + 1]; n++) p[n] = parameter(word[n + 1]);
    return syscall(calls[i].nr, p[0], p[1], p[2], p[3], p[4], p[5]);
  }
  fprintf(stderr, "unknown act %s\n", word[0]);
  exit(2);
}

static void report(const char *text, const char *result) {
  char line[1200];
  write(1, line, (size_t)snprintf(line, sizeof line, "{\"act\":\"%s\",\"result\":\"%s\"}\n", text, result));
}

static void attempt(const char *text) {
  char copy[1024], *word[16] = {0}, ended[16];
  int count = 0;
  exit_code = 0;
  snprintf(copy, sizeof copy, "%s", text);
  for (char *at = strtok(copy, " "); at && count < 15; at = strtok(0, " ")) word[count++] = at;
  errno = 0;
  long result = perform(word);
  const char *error = strerrorname_np(errno);
  snprintf(ended, sizeof ended, "exit %d", exit_code);
  report(text, result < 0 ? error : exit_code ? ended : "ok");
}

int main(int count, char **argument) {
  if (count == 2 && strcmp(argument[1], "am-i-root") == 0) return geteuid() != 0;
  for (int i = 1; i < count; i++) {
    pid_t child = fork();
    if (child <= 0) attempt(argument[i]);
    if (child == 0) _exit(0);
    if (child < 0) continue;  // it could make no process for it
    int status;
    wait(&status);
    if (WIFSIGNALED(status)) report(argument[i], sigabbrev_np(WTERMSIG(status)));
  }
  if (count == 1) pause();  // a neighbour to attack
  return 0;
}
