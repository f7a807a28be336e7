/*
 * QEMU under the double of Cloud Hypervisor: it and its firmware are linked in, so that they can run where nothing but
 * this program may be executed. It runs from a memfd, which no file system rule concerns, and is started by the first
 * thread, which is bound neither by the filter nor by the Landlock rules of the other, as the real program's is not.
 */
#define EMBED(symbol, file)                                                                          \
  __asm__(".section .rodata\n.balign 16\n" #symbol ":\n.incbin \"" file "\"\n" #symbol "_end:\n.previous"); \
  extern const unsigned char symbol[], symbol##_end[];

EMBED(embedded_qemu, "qemu")
EMBED(embedded_bios, "bios-256k.bin")
EMBED(embedded_kvmvapic, "kvmvapic.bin")
EMBED(embedded_linuxboot, "linuxboot_dma.bin")
EMBED(embedded_pvh, "pvh.bin")

static const struct {
  const char *name;
  const unsigned char *start, *end;
} firmware[] = {
    {"bios-256k.bin", embedded_bios, embedded_bios_end},
    {"kvmvapic.bin", embedded_kvmvapic, embedded_kvmvapic_end},
    {"linuxboot_dma.bin", embedded_linuxboot, embedded_linuxboot_end},
    {"pvh.bin", embedded_pvh, embedded_pvh_end},
};

/* --- QEMU, started by the first thread --------------------------------------------------------------------- */

static struct {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  char **argv;
  int *fds, fd_count;
  pid_t pid;
  int error;
  enum { idle, asked, done } state;
} launch = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static int qemu_file(void) {
  const size_t size = embedded_qemu_end - embedded_qemu;
  const int fd = memfd_create("qemu", MFD_CLOEXEC);
  for (size_t at = 0; fd >= 0 && at < size;) {
    const ssize_t count = write(fd, embedded_qemu + at, size - at);
    if (count < 0) return -1;
    at += count;
  }
  return fd;
}

/* In the child: descriptors 3, 4, ... are those asked for; it dies with the thread that made it. */
static void become_qemu(int file) {
  int high[64];
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  signal(SIGPIPE, SIG_DFL);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (int index = 0; index < launch.fd_count; index++) high[index] = fcntl(launch.fds[index], F_DUPFD, 200);
  for (int index = 0; index < launch.fd_count; index++) dup2(high[index], 3 + index);
  const int kept = fcntl(file, F_DUPFD_CLOEXEC, 199);
  dup2(2, 1);
  close_range(3 + launch.fd_count, 198, 0);
  close_range(200, ~0U, CLOSE_RANGE_CLOEXEC);
  syscall(SYS_execveat, kept, "", launch.argv, (char *[]){NULL}, AT_EMPTY_PATH);
  _exit(127);
}

static void before_threads(void) {}

static void first_thread(void) {
  pthread_mutex_lock(&launch.lock);
  for (;;) {
    while (launch.state != asked) pthread_cond_wait(&launch.changed, &launch.lock);
    const int file = qemu_file();
    launch.error = file < 0 ? errno : 0;
    if (file >= 0) {
      launch.pid = fork();
      if (launch.pid == 0) become_qemu(file);
      if (launch.pid < 0) launch.error = errno;
      close(file);
    }
    launch.state = done;
    pthread_cond_broadcast(&launch.changed);
  }
}

/* startQemu(argv, fds): its pid. */
FUNCTION(js_start_qemu) {
  const int words = length_of(ctx, argv[0]), count = length_of(ctx, argv[1]);
  if (count > 60) return fail(ctx, "startQemu", "", E2BIG);
  char *arguments[words + 1];
  int fds[count + 1];
  for (int index = 0; index < words; index++) {
    JSValue word = JS_GetPropertyUint32(ctx, argv[0], index);
    const char *text = JS_ToCString(ctx, word);
    arguments[index] = strdup(text ? text : "");
    JS_FreeCString(ctx, text);
    JS_FreeValue(ctx, word);
  }
  arguments[words] = NULL;
  for (int index = 0; index < count; index++) {
    JSValue fd = JS_GetPropertyUint32(ctx, argv[1], index);
    fds[index] = integer(ctx, fd);
    JS_FreeValue(ctx, fd);
  }
  pthread_mutex_lock(&launch.lock);
  launch.argv = arguments;
  launch.fds = fds;
  launch.fd_count = count;
  launch.state = asked;
  pthread_cond_broadcast(&launch.changed);
  while (launch.state != done) pthread_cond_wait(&launch.changed, &launch.lock);
  launch.state = idle;
  const int error = launch.error;
  const pid_t pid = launch.pid;
  pthread_mutex_unlock(&launch.lock);
  for (int index = 0; index < words; index++) free(arguments[index]);
  return error ? fail(ctx, "start", "qemu", error) : JS_NewInt32(ctx, pid);
}

/* writeFirmware(directory): the files that QEMU looks for; their paths. */
FUNCTION(js_write_firmware) {
  const char *directory = JS_ToCString(ctx, argv[0]);
  JSValue paths = JS_NewArray(ctx);
  int error = 0;
  for (size_t index = 0; !error && index < sizeof firmware / sizeof *firmware; index++) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", directory, firmware[index].name);
    const ssize_t size = firmware[index].end - firmware[index].start;
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, firmware[index].start, size) != size) error = errno;
    if (fd >= 0) close(fd);
    JS_SetPropertyUint32(ctx, paths, index, JS_NewString(ctx, path));
  }
  JS_FreeCString(ctx, directory);
  return error ? fail(ctx, "write", "firmware", error) : paths;
}

#include "likeness.c"

#define QEMU_FUNCTIONS \
  LIKENESS_FUNCTIONS JS_CFUNC_DEF("startQemu", 2, js_start_qemu), JS_CFUNC_DEF("writeFirmware", 1, js_write_firmware),
