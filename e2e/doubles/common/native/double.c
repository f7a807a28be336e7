/*
 * What a double of a VMM needs of the system beside the calls in guest/agent/native, and its main(): the second thread runs
 * the double's TypeScript. How QEMU comes to run underneath is each double's own: qemu.c, which gives
 * before_threads() and first_thread(), and in QEMU_FUNCTIONS what the TypeScript starts it by.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <quickjs-libc.h>
#include <quickjs.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* By this a test tells it from the real program, wherever it lies (e2e/doubles/common/marker.ts). */
__attribute__((used)) static const char marker[] = "kata-ts: this is a double, not the real program";

#define FUNCTION(name) static JSValue name(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)

static JSValue fail(JSContext *ctx, const char *call, const char *what, int error) {
  JSValue object = JS_NewError(ctx);
  char text[512];
  const int flags = JS_PROP_CONFIGURABLE | JS_PROP_WRITABLE;
  snprintf(text, sizeof text, "%s%s%s: %s", call, *what ? " " : "", what, strerror(error));
  JS_DefinePropertyValueStr(ctx, object, "message", JS_NewString(ctx, text), flags);
  JS_DefinePropertyValueStr(ctx, object, "errno", JS_NewInt32(ctx, error), flags);
  return JS_Throw(ctx, object);
}

static int integer(JSContext *ctx, JSValueConst value) {
  int32_t number = 0;
  JS_ToInt32(ctx, &number, value);
  return number;
}

static int length_of(JSContext *ctx, JSValueConst list) {
  JSValue value = JS_GetPropertyStr(ctx, list, "length");
  const int length = integer(ctx, value);
  JS_FreeValue(ctx, value);
  return length;
}

#include "qemu.c"

/* hasEnded(pid): whether that child is gone; it is reaped then. */
FUNCTION(js_has_ended) {
  return JS_NewBool(ctx, waitpid(integer(ctx, argv[0]), NULL, WNOHANG) != 0);
}

/* --- sockets ----------------------------------------------------------------------------------------------- */

/* A path, or a name in the abstract namespace after an @. */
static socklen_t address_of(const char *path, struct sockaddr_un *address) {
  const size_t length = strlen(path);
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  if (length >= sizeof address->sun_path) return 0;
  memcpy(address->sun_path, path, length);
  if (*path == '@') *address->sun_path = 0;
  return offsetof(struct sockaddr_un, sun_path) + length + (*path == '@' ? 0 : 1);
}

static JSValue socket_at(JSContext *ctx, JSValueConst value, int listening) {
  const char *path = JS_ToCString(ctx, value);
  struct sockaddr_un address;
  const socklen_t length = address_of(path, &address);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int error = length == 0 ? ENAMETOOLONG : fd < 0 ? errno : 0;
  if (!error && listening && (bind(fd, (struct sockaddr *)&address, length) < 0 || listen(fd, 16) < 0)) error = errno;
  if (!error && !listening && connect(fd, (struct sockaddr *)&address, length) < 0) error = errno;
  if (!error) fcntl(fd, F_SETFL, O_NONBLOCK);
  JSValue answer = error ? fail(ctx, listening ? "bind" : "connect to", path, error) : JS_NewInt32(ctx, fd);
  if (error && fd >= 0) close(fd);
  JS_FreeCString(ctx, path);
  return answer;
}

FUNCTION(js_listen) { return socket_at(ctx, argv[0], 1); }
FUNCTION(js_connect) { return socket_at(ctx, argv[0], 0); }

FUNCTION(js_socket_pair) {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) return fail(ctx, "socketpair", "", errno);
  JSValue pair = JS_NewArray(ctx);
  JS_SetPropertyUint32(ctx, pair, 0, JS_NewInt32(ctx, fds[0]));
  JS_SetPropertyUint32(ctx, pair, 1, JS_NewInt32(ctx, fds[1]));
  return pair;
}

/* receive(fd): {text, fds}; text is empty at the end; null when nothing is there. */
FUNCTION(js_receive) {
  char data[16384], control[CMSG_SPACE(32 * sizeof(int))];
  struct iovec vector = {.iov_base = data, .iov_len = sizeof data};
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  const ssize_t count = recvmsg(integer(ctx, argv[0]), &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (count < 0) return errno == EAGAIN ? JS_NULL : fail(ctx, "recvmsg", "", errno);
  JSValue fds = JS_NewArray(ctx);
  uint32_t found = 0;
  for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_type != SCM_RIGHTS) continue;
    const size_t received = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t index = 0; index < received; index++) {
      int fd;
      memcpy(&fd, CMSG_DATA(header) + index * sizeof fd, sizeof fd);
      JS_SetPropertyUint32(ctx, fds, found++, JS_NewInt32(ctx, fd));
    }
  }
  JSValue answer = JS_NewObject(ctx);
  JS_SetPropertyStr(ctx, answer, "text", JS_NewStringLen(ctx, data, count));
  JS_SetPropertyStr(ctx, answer, "fds", fds);
  return answer;
}

/* send(fd, text, fds): all of it; for short messages to a peer that reads. */
FUNCTION(js_send) {
  size_t length;
  const char *text = JS_ToCStringLen(ctx, &length, argv[1]);
  const int count = length_of(ctx, argv[2]);
  char control[CMSG_SPACE(32 * sizeof(int))] = {0};
  struct iovec vector = {.iov_base = (void *)text, .iov_len = length};
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
  if (count > 0 && count <= 32) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    for (int index = 0; index < count; index++) {
      JSValue value = JS_GetPropertyUint32(ctx, argv[2], index);
      const int fd = integer(ctx, value);
      memcpy(CMSG_DATA(header) + index * sizeof fd, &fd, sizeof fd);
    }
  }
  const int fd = integer(ctx, argv[0]);
  ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);
  while (sent >= 0 && (size_t)sent < length) {
    const ssize_t more = send(fd, text + sent, length - sent, MSG_NOSIGNAL);
    sent = more < 0 ? -1 : sent + more;
  }
  const int error = errno;
  JS_FreeCString(ctx, text);
  return sent < 0 ? fail(ctx, "send", "", error) : JS_UNDEFINED;
}

/* --- what the kernel grants -------------------------------------------------------------------------------- */

/* openKvm(): opens /dev/kvm and has it make a machine, which is thrown away. */
FUNCTION(js_open_kvm) {
  const int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
  if (fd < 0) return fail(ctx, "open", "/dev/kvm", errno);
  const int machine = ioctl(fd, KVM_GET_API_VERSION, 0) == KVM_API_VERSION ? ioctl(fd, KVM_CREATE_VM, 0) : -1;
  if (machine < 0) return fail(ctx, "KVM_CREATE_VM on", "/dev/kvm", errno);
  close(machine);
  return JS_NewInt32(ctx, fd);
}

static const unsigned long long reading = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
static const unsigned long long writing =
    LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
    LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
    LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
    LANDLOCK_ACCESS_FS_MAKE_SYM;
static const unsigned long long of_files =
    LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE;

/* restrictTo([path, access]...): Landlock for this thread; access is r, w or rw. A path that is not there is left out. */
FUNCTION(js_restrict_to) {
  struct landlock_ruleset_attr attributes = {.handled_access_fs = reading | writing};
  const int rules = syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
  if (rules < 0) return errno == ENOSYS || errno == EOPNOTSUPP ? JS_FALSE : fail(ctx, "landlock", "", errno);
  for (int index = 0; index < length_of(ctx, argv[0]); index++) {
    JSValue rule = JS_GetPropertyUint32(ctx, argv[0], index);
    JSValue first = JS_GetPropertyUint32(ctx, rule, 0), second = JS_GetPropertyUint32(ctx, rule, 1);
    const char *path = JS_ToCString(ctx, first), *access = JS_ToCString(ctx, second);
    struct landlock_path_beneath_attr beneath = {.parent_fd = open(path, O_PATH | O_CLOEXEC)};
    struct stat facts;
    if (strchr(access, 'r')) beneath.allowed_access |= reading;
    if (strchr(access, 'w')) beneath.allowed_access |= writing;
    if (beneath.parent_fd >= 0) {
      fstat(beneath.parent_fd, &facts);
      if (!S_ISDIR(facts.st_mode)) beneath.allowed_access &= of_files;
      syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
      close(beneath.parent_fd);
    }
    JS_FreeCString(ctx, path);
    JS_FreeCString(ctx, access);
    JS_FreeValue(ctx, first);
    JS_FreeValue(ctx, second);
    JS_FreeValue(ctx, rule);
  }
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  const int failed = syscall(SYS_landlock_restrict_self, rules, 0) < 0 ? errno : 0;
  close(rules);
  return failed ? fail(ctx, "landlock", "", failed) : JS_TRUE;
}

/* A filter as narrow as a double allows: what the real program's threads never call ends the process. */
static int add_filter(unsigned int flags) {
  static const int denied[] = {SYS_execve, SYS_execveat, SYS_fork, SYS_ptrace, SYS_mount, SYS_setuid, SYS_chroot};
  const int count = sizeof denied / sizeof *denied;
  struct sock_filter code[3 + 7 + 2];
  int at = 0;
  code[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
  for (int index = 0; index < count; index++)
    code[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, denied[index], count - index, 0);
  code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
  struct sock_fprog program = {.len = at, .filter = code};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return errno;
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) < 0 ? errno : 0;
}

/* openTap(name): the one queue of a tap that exists in this network namespace. */
FUNCTION(js_open_tap) {
  const char *name = JS_ToCString(ctx, argv[0]);
  struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
  const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
  JS_FreeCString(ctx, name);
  if (fd >= 0 && ioctl(fd, TUNSETIFF, &request) == 0) return JS_NewInt32(ctx, fd);
  const int error = errno;
  if (fd >= 0) close(fd);
  return fail(ctx, "Open tap device failed:", request.ifr_name, error);
}

/* memoryFile(bytes): a file of that size in memory, empty throughout. */
FUNCTION(js_memory_file) {
  double bytes;
  if (JS_ToFloat64(ctx, &bytes, argv[0])) return JS_EXCEPTION;
  const int fd = memfd_create("double", MFD_CLOEXEC);
  if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0) return fail(ctx, "memfd_create", "", errno);
  return JS_NewInt32(ctx, fd);
}

FUNCTION(js_exit) {
  exit(integer(ctx, argv[0]));
  return JS_UNDEFINED;
}

FUNCTION(js_pid) { return JS_NewInt32(ctx, getpid()); }

/* filterThread(): the calling thread's own seccomp filter. */
FUNCTION(js_filter_thread) {
  const int error = add_filter(0);
  return error ? fail(ctx, "seccomp", "", error) : JS_UNDEFINED;
}

/* --- module and threads ------------------------------------------------------------------------------------ */

static const JSCFunctionListEntry functions[] = {
    QEMU_FUNCTIONS
    JS_CFUNC_DEF("hasEnded", 1, js_has_ended),
    JS_CFUNC_DEF("listen", 1, js_listen),
    JS_CFUNC_DEF("connect", 1, js_connect),
    JS_CFUNC_DEF("socketPair", 0, js_socket_pair),
    JS_CFUNC_DEF("receive", 1, js_receive),
    JS_CFUNC_DEF("send", 3, js_send),
    JS_CFUNC_DEF("openKvm", 0, js_open_kvm),
    JS_CFUNC_DEF("restrictTo", 1, js_restrict_to),
    JS_CFUNC_DEF("filterThread", 0, js_filter_thread),
    JS_CFUNC_DEF("openTap", 1, js_open_tap),
    JS_CFUNC_DEF("memoryFile", 1, js_memory_file),
    JS_CFUNC_DEF("exit", 1, js_exit),
    JS_CFUNC_DEF("pid", 0, js_pid),
};

static int start(JSContext *ctx, JSModuleDef *module) {
  return JS_SetModuleExportList(ctx, module, functions, sizeof functions / sizeof *functions);
}

JSModuleDef *js_init_module_double(JSContext *ctx, const char *name) {
  JSModuleDef *module = JS_NewCModule(ctx, name, start);
  if (module) JS_AddModuleExportList(ctx, module, functions, sizeof functions / sizeof *functions);
  return module;
}

/* What qjsc generates as main(). */
int run_script(int argc, char **argv);

static struct {
  int argc;
  char **argv;
} command_line;

static void *vmm_thread(void *nothing) {
  // By itself: another thread could name it through /proc only.
  pthread_setname_np(pthread_self(), "vmm");
  exit(run_script(command_line.argc, command_line.argv));
  return nothing;
}

int main(int argc, char **argv) {
  pthread_t thread;
  pthread_attr_t attributes;
  umask(077);
  before_threads();
  signal(SIGPIPE, SIG_IGN);
  command_line.argc = argc;
  command_line.argv = argv;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 8 << 20);
  if (pthread_create(&thread, &attributes, vmm_thread, NULL) != 0) return 1;
  first_thread();
  return 0;
}
