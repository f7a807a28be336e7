/*
 * QEMU under the double of Firecracker. Its jail has nothing but what the real, static program needs, so the jailer's
 * double hands over the host's /usr as a descriptor, and QEMU is started from there by its loader. That is done by a child
 * that is made before anything else: the double itself keeps nothing that the real program would not have.
 */
static const int usr = 3;
static pid_t starter_pid;

/* Its name, in the abstract namespace of the jail's network. */
static socklen_t starter_address(struct sockaddr_un *address, pid_t pid) {
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  const int length = snprintf(address->sun_path + 1, sizeof address->sun_path - 1, "firecracker-double-starter-%d", pid);
  return offsetof(struct sockaddr_un, sun_path) + 1 + length;
}

/* Waits for one message: arguments separated by newlines, and the descriptors that become 3, 4, ...; then it is QEMU. */
static void become_qemu(int listener) {
  static char text[32768];
  char control[CMSG_SPACE(32 * sizeof(int))];
  int fds[32], count = 0, words = 0;
  char *argv[512] = {"qemu", "--argv0", "qemu", "--inhibit-cache", "--library-path", "lib/x86_64-linux-gnu", "bin/qemu-system-x86_64"};
  struct iovec vector = {.iov_base = text, .iov_len = sizeof text - 1};
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int commands = accept(listener, NULL, NULL);
  if (recvmsg(commands, &message, 0) <= 0) _exit(0);
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (header && header->cmsg_type == SCM_RIGHTS) {
    count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(fds, CMSG_DATA(header), count * sizeof(int));
  }
  for (words = 7; words < 511; words++)
    if (!(argv[words] = strtok(words == 7 ? text : NULL, "\n"))) break;
  if (fchdir(usr) < 0) _exit(126);
  for (int index = 0; index < count; index++) fds[index] = fcntl(fds[index], F_DUPFD, 200);
  const int directory = fcntl(usr, F_DUPFD_CLOEXEC, 199);
  for (int index = 0; index < count; index++) dup2(fds[index], 3 + index);
  dup2(2, 1);
  close_range(3 + count, 198, 0);
  close_range(200, ~0U, CLOSE_RANGE_CLOEXEC);
  syscall(SYS_execveat, directory, "lib64/ld-linux-x86-64.so.2", argv, (char *[]){NULL}, 0);
  _exit(127);
}

static void before_threads(void) {
  struct sockaddr_un address;
  struct stat facts;
  if (fstat(usr, &facts) < 0 || !S_ISDIR(facts.st_mode)) return;
  const int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (bind(listener, (struct sockaddr *)&address, starter_address(&address, getpid())) < 0 || listen(listener, 1) < 0) return;
  starter_pid = fork();
  if (starter_pid == 0) become_qemu(listener);
  close(listener);
  close(usr);
}

/* qemuStarter(): the connection that takes one command; the caller closes it. */
FUNCTION(js_qemu_starter) {
  struct sockaddr_un address;
  if (starter_pid <= 0) return fail(ctx, "the double of Firecracker runs under the double of its jailer only", "", ENOTDIR);
  const int starter = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (connect(starter, (struct sockaddr *)&address, starter_address(&address, getpid())) < 0) return fail(ctx, "connect", "the starter of QEMU", errno);
  return JS_NewInt32(ctx, starter);
}

/* The time stamp counter and the time that belongs to it: of several tries the one that was not interrupted. */
static unsigned long long ticks_at(long long *nanoseconds) {
  unsigned long long best = 0, shortest = ~0ULL;
  for (int tries = 0; tries < 20; tries++) {
    struct timespec now;
    const unsigned long long before = __builtin_ia32_rdtsc();
    clock_gettime(CLOCK_MONOTONIC_RAW, &now);
    const unsigned long long after = __builtin_ia32_rdtsc();
    if (after - before >= shortest) continue;
    shortest = after - before;
    best = before + shortest / 2;
    *nanoseconds = now.tv_sec * 1000000000LL + now.tv_nsec;
  }
  return best;
}

/* tscKilohertz(): how fast the time stamp counter runs, which under TCG is the guest's too. */
FUNCTION(js_tsc_kilohertz) {
  long long from, to;
  const unsigned long long first = ticks_at(&from);
  usleep(20000);
  const unsigned long long last = ticks_at(&to);
  return JS_NewInt64(ctx, (last - first) * 1000000 / (to - from));
}

#include "likeness.c"

#define QEMU_FUNCTIONS \
  JS_CFUNC_DEF("qemuStarter", 0, js_qemu_starter), JS_CFUNC_DEF("tscKilohertz", 0, js_tsc_kilohertz), LIKENESS_FUNCTIONS
