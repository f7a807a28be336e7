/*
 * What the real program has for its work and the double has only to look like it: threads with filters of their own, event
 * descriptors, a machine of KVM's. Whoever looks at the process has to find the same.
 */
#include <sys/eventfd.h>
#include <sys/timerfd.h>

static int add_filter(unsigned int flags);

static struct {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  int wanted, filtered, done;
} processors = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void *processor_thread(void *index) {
  char name[16];
  snprintf(name, sizeof name, "fc_vcpu %d", (int)(intptr_t)index);
  prctl(PR_SET_NAME, name);
  add_filter(0);
  pthread_mutex_lock(&processors.lock);
  processors.filtered++;
  pthread_cond_broadcast(&processors.changed);
  pthread_mutex_unlock(&processors.lock);
  for (;;) pause();
  return NULL;
}

/* The first thread waits for the instance to start, makes the threads of its processors, and gets its filter last. */
static void first_thread(void) {
  prctl(PR_SET_NAME, "firecracker");
  pthread_mutex_lock(&processors.lock);
  while (!processors.wanted) pthread_cond_wait(&processors.changed, &processors.lock);
  for (int index = 0; index < processors.wanted; index++) {
    pthread_t thread;
    pthread_create(&thread, NULL, processor_thread, (void *)(intptr_t)index);
  }
  while (processors.filtered < processors.wanted) pthread_cond_wait(&processors.changed, &processors.lock);
  add_filter(0);
  processors.done = 1;
  pthread_cond_broadcast(&processors.changed);
  pthread_mutex_unlock(&processors.lock);
  for (;;) pause();
}

/* startProcessors(count): returns once all of their threads, and the first one, are there and filtered. */
FUNCTION(js_start_processors) {
  pthread_mutex_lock(&processors.lock);
  processors.wanted = integer(ctx, argv[0]);
  pthread_cond_broadcast(&processors.changed);
  while (!processors.done) pthread_cond_wait(&processors.changed, &processors.lock);
  pthread_mutex_unlock(&processors.lock);
  return JS_UNDEFINED;
}

/* makeMachine(kvm, processors): a machine of KVM's that never runs, with its processors; their descriptors stay open. */
FUNCTION(js_make_machine) {
  const int machine = ioctl(integer(ctx, argv[0]), KVM_CREATE_VM, 0);
  if (machine < 0) return fail(ctx, "KVM_CREATE_VM", "", errno);
  for (int index = 0; index < integer(ctx, argv[1]); index++)
    if (ioctl(machine, KVM_CREATE_VCPU, index) < 0) return fail(ctx, "KVM_CREATE_VCPU", "", errno);
  return JS_UNDEFINED;
}

/* keepEvents(): one descriptor for events, and one for a timer. */
FUNCTION(js_keep_events) {
  const int failed = eventfd(0, EFD_CLOEXEC) < 0 || timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC) < 0;
  return failed ? fail(ctx, "eventfd", "", errno) : JS_UNDEFINED;
}

/* nameThread(name): of the calling thread. */
FUNCTION(js_name_thread) {
  const char *name = JS_ToCString(ctx, argv[0]);
  prctl(PR_SET_NAME, name);
  JS_FreeCString(ctx, name);
  return JS_UNDEFINED;
}

#define LIKENESS_FUNCTIONS                                                                            \
  JS_CFUNC_DEF("startProcessors", 1, js_start_processors), JS_CFUNC_DEF("makeMachine", 2, js_make_machine), \
      JS_CFUNC_DEF("keepEvents", 0, js_keep_events), JS_CFUNC_DEF("nameThread", 1, js_name_thread),
