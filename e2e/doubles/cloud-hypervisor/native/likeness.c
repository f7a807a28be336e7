/*
 * What the real program has for its work and the double has only to look like it: threads with filters of their own,
 * event descriptors, the machine that KVM makes. Whoever looks at the process has to find the same.
 */
#include <sys/eventfd.h>
#include <sys/timerfd.h>

static int add_filter(unsigned int flags);

static struct {
  pthread_mutex_t lock;
  pthread_cond_t changed;
} parking = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

struct parked {
  pthread_t thread;
  char name[16];
  int filtered, ready, over;
};

static void *park(void *argument) {
  struct parked *self = argument;
  pthread_setname_np(pthread_self(), self->name);
  if (self->filtered) add_filter(0);
  pthread_mutex_lock(&parking.lock);
  self->ready = 1;
  pthread_cond_broadcast(&parking.changed);
  while (!self->over) pthread_cond_wait(&parking.changed, &parking.lock);
  pthread_mutex_unlock(&parking.lock);
  return NULL;
}

/* startThread(name, filtered): a thread that does nothing, under the filters of the calling one and one of its own. */
FUNCTION(js_start_thread) {
  struct parked *parked = calloc(1, sizeof *parked);
  const char *name = JS_ToCString(ctx, argv[0]);
  snprintf(parked->name, sizeof parked->name, "%s", name);
  JS_FreeCString(ctx, name);
  parked->filtered = JS_ToBool(ctx, argv[1]);
  const int error = pthread_create(&parked->thread, NULL, park, parked);
  if (error) {
    free(parked);
    return fail(ctx, "pthread_create", "", error);
  }
  pthread_mutex_lock(&parking.lock);
  while (!parked->ready) pthread_cond_wait(&parking.changed, &parking.lock);
  pthread_mutex_unlock(&parking.lock);
  return JS_NewInt64(ctx, (int64_t)(intptr_t)parked);
}

/* endThread(thread): waits for it. */
FUNCTION(js_end_thread) {
  int64_t handle = 0;
  JS_ToInt64(ctx, &handle, argv[0]);
  struct parked *parked = (struct parked *)(intptr_t)handle;
  pthread_mutex_lock(&parking.lock);
  parked->over = 1;
  pthread_cond_broadcast(&parking.changed);
  pthread_mutex_unlock(&parking.lock);
  pthread_join(parked->thread, NULL);
  free(parked);
  return JS_UNDEFINED;
}

static JSValue descriptor(JSContext *ctx, const char *call, int fd) {
  return fd < 0 ? fail(ctx, call, "", errno) : JS_NewInt32(ctx, fd);
}

FUNCTION(js_event_fd) { return descriptor(ctx, "eventfd", eventfd(0, EFD_CLOEXEC)); }
FUNCTION(js_timer_fd) { return descriptor(ctx, "timerfd", timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC)); }
FUNCTION(js_ram_file) { return descriptor(ctx, "memfd_create", memfd_create("ch_ram", MFD_CLOEXEC)); }

/* makeMachine(kvm, processors): descriptors of a machine of KVM's that never runs, and of its processors. */
FUNCTION(js_make_machine) {
  JSValue fds = JS_NewArray(ctx);
  const int processors = integer(ctx, argv[1]), machine = ioctl(integer(ctx, argv[0]), KVM_CREATE_VM, 0);
  if (machine < 0) return fail(ctx, "KVM_CREATE_VM", "", errno);
  JS_SetPropertyUint32(ctx, fds, 0, JS_NewInt32(ctx, machine));
  for (int index = 0; index < processors; index++) {
    const int processor = ioctl(machine, KVM_CREATE_VCPU, index);
    if (processor < 0) return fail(ctx, "KVM_CREATE_VCPU", "", errno);
    JS_SetPropertyUint32(ctx, fds, index + 1, JS_NewInt32(ctx, processor));
  }
  return fds;
}

/* setMtu(tap, bytes): as the real program does, on a socket of its own network namespace. */
FUNCTION(js_set_mtu) {
  struct ifreq request = {0};
  if (ioctl(integer(ctx, argv[0]), TUNGETIFF, &request) < 0) return fail(ctx, "TUNGETIFF", "", errno);
  request.ifr_mtu = integer(ctx, argv[1]);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int error = ioctl(fd, SIOCSIFMTU, &request) < 0 ? errno : 0;
  close(fd);
  return error ? fail(ctx, "SIOCSIFMTU", "", error) : JS_UNDEFINED;
}

/* exists(path) */
FUNCTION(js_exists) {
  const char *path = JS_ToCString(ctx, argv[0]);
  struct stat facts;
  const int found = stat(path, &facts) == 0;
  JS_FreeCString(ctx, path);
  return JS_NewBool(ctx, found);
}

#define LIKENESS_FUNCTIONS                                                                             \
  JS_CFUNC_DEF("startThread", 2, js_start_thread), JS_CFUNC_DEF("endThread", 1, js_end_thread),          \
      JS_CFUNC_DEF("eventFd", 0, js_event_fd), JS_CFUNC_DEF("timerFd", 0, js_timer_fd),                  \
      JS_CFUNC_DEF("ramFile", 0, js_ram_file), JS_CFUNC_DEF("makeMachine", 2, js_make_machine),          \
      JS_CFUNC_DEF("setMtu", 2, js_set_mtu), JS_CFUNC_DEF("exists", 1, js_exists),
