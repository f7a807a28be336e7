/*
 * Output of processes on its way into a file of the host's share, and input out of it, in a thread of its own: a server of files may take its time, and
 * the agent goes on answering its host. The pages of the pipe are what is sent, so that nothing is copied in the guest. For a file the kernel passes over
 * empty buffers, and refuses pages that have lost their content; the driver of a port does neither (output-block.ts).
 */
#include "syscalls.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct transfer {
  int pipe, file, report;
  bool isInput;
  /* How long input waits for the process in all, milliseconds; 0 for as long as that takes. */
  int patience;
  loff_t offset;
  size_t size;
  char path[];
};

/*
 * What a transfer tells at its end. `rest` is a pipe with output that left the first one and did not get into the file, or -1. `file` is open, for the
 * next one, or -1.
 */
struct outcome {
  int64_t moved;
  int32_t error, rest, file;
};

/* Bytes that pass at a time, as many as the pipe of a process holds. While they are on their way, the process fills its pipe again. */
#define PASS (1 << 20)
/* A process that writes without rest may have had no processor so long, milliseconds. Its host waits for it, as an answer costs more. */
#define PAUSE 2
/* One that writes a little again and again would never be done, and its host would see nothing: milliseconds for all that comes. */
#define LONGEST 100
/* The thread calls little, and nothing deep. */
#define STACK (64 * 1024)

/* How many of `size` bytes go from `pipe` into the file; fewer after an error. */
static size_t drain(int pipe, int file, loff_t *offset, size_t size, int *error) {
  size_t gone = 0;
  while (gone < size) {
    const ssize_t count = splice(pipe, NULL, file, offset, size - gone, SPLICE_F_NONBLOCK);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      /* No error and no bytes are a page whose file has lost it. */
      *error = count < 0 ? errno : ENODATA;
      break;
    }
    gone += count;
  }
  return gone;
}

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * INT64_C(1000) + time.tv_nsec / 1000000;
}

/* Whether there is more in a moment. */
static int comes(int pipe) {
  struct pollfd more = {.fd = pipe, .events = POLLIN};
  return poll(&more, 1, PAUSE) > 0;
}

static void takeOutput(const struct transfer *this, const int between[2], struct outcome *outcome) {
  const int64_t end = now() + LONGEST;
  loff_t offset = this->offset;
  size_t left = 0;
  while ((size_t)outcome->moved < this->size && !outcome->error && (!outcome->moved || now() < end)) {
    const size_t most = this->size - outcome->moved;
    /* The process comes first: a page that goes alone costs as much as many. */
    sched_yield();
    const ssize_t count = splice(this->pipe, NULL, between[1], NULL, most < PASS ? most : PASS, SPLICE_F_NONBLOCK);
    if (count < 0 && (errno == EINTR || (errno == EAGAIN && outcome->moved && comes(this->pipe)))) continue;
    if (count < 0 && outcome->moved == 0) outcome->error = errno;
    if (count <= 0) break;
    const size_t gone = drain(between[0], outcome->file, &offset, count, &outcome->error);
    outcome->moved += gone;
    left = count - gone;
  }
  if (left) outcome->rest = between[0];
}

/* Waits for the process to read. 0 or an errno: ECANCELED once the agent has no use for it any more, ETIMEDOUT once it is late. */
static int room(const struct transfer *this, int64_t end) {
  struct pollfd either[] = {{.fd = this->pipe, .events = POLLOUT}, {.fd = this->report, .events = POLLRDHUP}};
  for (int ready = 0; ready <= 0;) {
    const int64_t left = this->patience ? end - now() : -1;
    if (this->patience && left <= 0) return ETIMEDOUT;
    ready = poll(either, 2, left);
    if (ready < 0 && errno != EINTR) return errno;
  }
  if (either[1].revents) return ECANCELED;
  /* A process that was woken by a page reads more of them, if it may. */
  sched_yield();
  return 0;
}

static void bringInput(const struct transfer *this, const int between[2], struct outcome *outcome) {
  const int64_t end = now() + this->patience;
  loff_t offset = this->offset;
  size_t waiting = 0;
  while ((size_t)outcome->moved < this->size && !outcome->error) {
    const size_t most = this->size - outcome->moved;
    const ssize_t count = waiting ? splice(between[0], NULL, this->pipe, NULL, waiting, SPLICE_F_NONBLOCK)
                                  : splice(outcome->file, &offset, between[1], NULL, most < PASS ? most : PASS, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN && waiting)
      outcome->error = room(this, end);
    else if (count <= 0)
      /* The host has put more there than was read. */
      outcome->error = count < 0 ? errno : ENODATA;
    else if (waiting)
      waiting -= count, outcome->moved += count;
    else
      waiting = count;
  }
}

static void move(const struct transfer *this, struct outcome *outcome) {
  /* Past the guest's cache. The host has made the file. */
  outcome->file = this->file >= 0 ? this->file : open(this->path, O_RDWR | O_DIRECT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  int between[2];
  /* A process waits for the lock of its pipe while that is read or written: what is on its way has a pipe of its own. */
  if (outcome->file < 0 || pipe2(between, O_CLOEXEC) < 0) {
    outcome->error = errno;
    return;
  }
  /* Less room is a matter of speed alone. */
  fcntl(between[0], F_SETPIPE_SZ, PASS);
  (this->isInput ? bringInput : takeOutput)(this, between, outcome);
  close(between[1]);
  if (outcome->rest < 0) close(between[0]);
}

static void *run(void *argument) {
  struct transfer *this = argument;
  struct outcome outcome = {.rest = -1, .file = -1};
  move(this, &outcome);
  /* Less than a page goes as a whole, and the agent's end is open. */
  const ssize_t told = write(this->report, &outcome, sizeof outcome);
  (void)told;
  close(this->report);
  close(this->pipe);
  free(this);
  return NULL;
}

/* 0 or an errno; the thread has `this` from then on. */
static int start(struct transfer *this) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, STACK);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  /* Signals are the agent's. */
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  const int error = pthread_create(&thread, &attributes, run, this);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  return error;
}

/* The thread's own of a pipe; -1 and errno. */
static int startTransfer(struct transfer *this, int pipe) {
  int report[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, report) < 0) return -1;
  this->report = report[1];
  this->pipe = fcntl(pipe, F_DUPFD_CLOEXEC, 3);
  const int error = this->pipe < 0 ? errno : start(this);
  if (!error) return report[0];
  if (this->pipe >= 0) close(this->pipe);
  close(report[0]), close(report[1]);
  errno = error;
  return -1;
}

static JSValue transfer(JSContext *ctx, JSValueConst *argv, bool isInput) {
  const char *path = text(ctx, argv[2]);
  if (!path) return JS_EXCEPTION;
  const size_t length = strlen(path) + 1;
  struct transfer *this = malloc(sizeof *this + length);
  if (this) memcpy(this->path, path, length);
  free_text(ctx, path);
  if (!this) return fail(ctx, "malloc", ENOMEM);
  this->isInput = isInput;
  this->file = integer(ctx, argv[1]);
  this->offset = long_integer(ctx, argv[3]);
  this->size = long_integer(ctx, argv[4]);
  this->patience = isInput ? integer(ctx, argv[5]) : 0;
  const int report = startTransfer(this, integer(ctx, argv[0]));
  if (report >= 0) return JS_NewInt32(ctx, report);
  free(this);
  return fail(ctx, "transfer", errno);
}

/* takeOutput(pipe, file, path, offset, most): a descriptor that can be read once it is over, for endTransfer(). */
FUNCTION(js_take_output) {
  return transfer(ctx, argv, false);
}

/* bringInput(pipe, file, path, offset, size, patience): likewise. It waits for the process to read, `patience` ms in all, or for ever with 0. */
FUNCTION(js_bring_input) {
  return transfer(ctx, argv, true);
}

/* cancelTransfer(descriptor): input is over soon, as it is. */
FUNCTION(js_cancel_transfer) {
  return result(ctx, "shutdown", shutdown(integer(ctx, argv[0]), SHUT_WR));
}

/* endTransfer(descriptor): [moved, errno, rest, file], as in struct outcome. Closes the descriptor. */
FUNCTION(js_end_transfer) {
  struct outcome outcome;
  const int report = integer(ctx, argv[0]);
  const ssize_t length = read(report, &outcome, sizeof outcome);
  close(report);
  if (length != sizeof outcome) return fail(ctx, "read", length < 0 ? errno : EIO);
  JSValue array = JS_NewArray(ctx);
  JS_SetPropertyUint32(ctx, array, 0, JS_NewInt64(ctx, outcome.moved));
  JS_SetPropertyUint32(ctx, array, 1, JS_NewInt32(ctx, outcome.error));
  JS_SetPropertyUint32(ctx, array, 2, JS_NewInt32(ctx, outcome.rest));
  JS_SetPropertyUint32(ctx, array, 3, JS_NewInt32(ctx, outcome.file));
  return array;
}

/* available(fd): how many bytes can be read of it now: FIONREAD. */
FUNCTION(js_available) {
  int count = 0;
  const int answer = ioctl(integer(ctx, argv[0]), FIONREAD, &count);
  return result(ctx, "ioctl", answer < 0 ? answer : count);
}

static const JSCFunctionListEntry functions[] = {
    JS_CFUNC_DEF("takeOutput", 5, js_take_output),
    JS_CFUNC_DEF("bringInput", 6, js_bring_input),
    JS_CFUNC_DEF("cancelTransfer", 1, js_cancel_transfer),
    JS_CFUNC_DEF("endTransfer", 1, js_end_transfer),
    JS_CFUNC_DEF("available", 1, js_available),
};
const struct subject transfer_calls = SUBJECT(functions);
