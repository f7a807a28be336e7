/* Open files, by their descriptors. */
#include "syscalls.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Reads on until fewer than `least` bytes of `size` have room or there is no more now: a virtio-serial port gives at most a page at a time.
 * -1 for an error.
 */
static ssize_t read_on(int fd, uint8_t *to, size_t size, size_t least) {
  size_t length = 0;
  while (size - length >= least) {
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
  /* A packet of a pipe (O_DIRECT) has at most a page, and what has no room of it is lost. */
  const ssize_t length = read_on(integer(ctx, argv[0]), block, size, size > 4096 ? 4096 : 1);
  if (length < 0) {
    const int error = errno;
    free(block);
    return error == EAGAIN ? JS_NULL : fail(ctx, "read", error);
  }
  if ((size_t)length < size / 2) block = realloc(block, length ? length : 1);
  return owned_bytes(ctx, block, length);
}

/* readInto(fd, bytes, least): how many bytes came, until fewer than `least` have room: 0 at the end of file, null when it would block. */
FUNCTION(js_read_into) {
  size_t size;
  uint8_t *start = bytes(ctx, argv[1], &size);
  if (!start) return JS_EXCEPTION;
  const ssize_t length = read_on(integer(ctx, argv[0]), start, size, integer(ctx, argv[2]));
  return length < 0 && errno == EAGAIN ? JS_NULL : result(ctx, "read", length);
}

/* write(fd, bytes, offset): how many bytes went until it would block; 0 when it does. A virtio-serial port takes at most 32 KiB at a time. */
FUNCTION(js_write) {
  size_t length;
  uint8_t *start = bytes(ctx, argv[1], &length);
  if (!start) return JS_EXCEPTION;
  const size_t offset = long_integer(ctx, argv[2]);
  if (offset > length) return fail(ctx, "write", EINVAL);
  size_t gone = 0;
  do {
    const ssize_t count = write(integer(ctx, argv[0]), start + offset + gone, length - offset - gone);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno != EAGAIN && gone == 0) return fail(ctx, "write", errno);
    if (count <= 0) break;
    gone += count;
  } while (gone < length - offset);
  return JS_NewInt64(ctx, gone);
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

/* fileSize(fd) */
FUNCTION(js_file_size) {
  struct stat facts;
  if (fstat(integer(ctx, argv[0]), &facts) < 0) return fail(ctx, "fstat", errno);
  return JS_NewInt64(ctx, facts.st_size);
}

FUNCTION(js_fchmod) { return result(ctx, "fchmod", fchmod(integer(ctx, argv[0]), integer(ctx, argv[1]))); }

FUNCTION(js_dup) { return result(ctx, "dup", fcntl(integer(ctx, argv[0]), F_DUPFD_CLOEXEC, 3)); }
FUNCTION(js_close) { return result(ctx, "close", close(integer(ctx, argv[0]))); }

/* pipe(capacity): [read end, write end]. Where the kernel gives no such room it has half of it, and so on: that is a matter of speed alone. */
FUNCTION(js_pipe) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return fail(ctx, "pipe2", errno);
  for (int size = integer(ctx, argv[0]); size > 0 && fcntl(ends[0], F_SETPIPE_SZ, size) < 0;) size /= 2;
  JSValue array = JS_NewArray(ctx);
  JS_SetPropertyUint32(ctx, array, 0, JS_NewInt32(ctx, ends[0]));
  JS_SetPropertyUint32(ctx, array, 1, JS_NewInt32(ctx, ends[1]));
  return array;
}

FUNCTION(js_set_nonblocking) {
  const int fd = integer(ctx, argv[0]);
  return result(ctx, "fcntl", fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK));
}

static const JSCFunctionListEntry functions[] = {
    JS_CFUNC_DEF("read", 2, js_read),
    JS_CFUNC_DEF("readInto", 3, js_read_into),
    JS_CFUNC_DEF("write", 3, js_write),
    JS_CFUNC_DEF("pwrite", 3, js_pwrite),
    JS_CFUNC_DEF("pread", 3, js_pread),
    JS_CFUNC_DEF("fileSize", 1, js_file_size),
    JS_CFUNC_DEF("fchmod", 2, js_fchmod),
    JS_CFUNC_DEF("dup", 1, js_dup),
    JS_CFUNC_DEF("close", 1, js_close),
    JS_CFUNC_DEF("pipe", 1, js_pipe),
    JS_CFUNC_DEF("setNonblocking", 1, js_set_nonblocking),
};
const struct subject descriptor_calls = SUBJECT(functions);
