/* The machine: mounts, name, network, clock, random pool, and its end. */
#include "syscalls.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

FUNCTION(js_mount) {
  const char *source = text(ctx, argv[0]), *target = text(ctx, argv[1]), *type = text(ctx, argv[2]), *data = text(ctx, argv[4]);
  JSValue answer = JS_EXCEPTION;
  if (source && target && type && data)
    answer = result_at(ctx, "mount on", target, mount(source, target, type, (unsigned long)long_integer(ctx, argv[3]), data));
  free_text(ctx, source), free_text(ctx, target), free_text(ctx, type), free_text(ctx, data);
  return answer;
}

FUNCTION(js_umount) {
  const char *target = text(ctx, argv[0]);
  if (!target) return JS_EXCEPTION;
  JSValue answer = result_at(ctx, "umount", target, umount2(target, integer(ctx, argv[1])));
  free_text(ctx, target);
  return answer;
}

FUNCTION(js_chroot) {
  const char *path = text(ctx, argv[0]);
  if (!path) return JS_EXCEPTION;
  JSValue answer = result_at(ctx, "chroot", path, chroot(path));
  free_text(ctx, path);
  return answer;
}

/* stdio(path): opens path as descriptors 0, 1 and 2. */
FUNCTION(js_stdio) {
  const char *path = text(ctx, argv[0]);
  if (!path) return JS_EXCEPTION;
  const int fd = open(path, O_RDWR | O_NOCTTY);
  JSValue answer = result_at(ctx, "open", path, fd);
  for (int target = 0; fd >= 0 && target <= 2; target++)
    if (fd != target) dup2(fd, target);
  if (fd > 2) close(fd);
  free_text(ctx, path);
  return answer;
}

FUNCTION(js_sethostname) {
  const char *name = text(ctx, argv[0]);
  if (!name) return JS_EXCEPTION;
  JSValue answer = result(ctx, "sethostname", sethostname(name, strlen(name)));
  free_text(ctx, name);
  return answer;
}

FUNCTION(js_interface_up) {
  const char *name = text(ctx, argv[0]);
  if (!name) return JS_EXCEPTION;
  struct ifreq request = {0};
  snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  int value = fd < 0 ? -1 : ioctl(fd, SIOCGIFFLAGS, &request);
  request.ifr_flags |= IFF_UP;
  if (value == 0) value = ioctl(fd, SIOCSIFFLAGS, &request);
  JSValue answer = result_at(ctx, "bring up", name, value);
  if (fd >= 0) close(fd);
  free_text(ctx, name);
  return answer;
}

/* reboot(command): RB_POWER_OFF or RB_AUTOBOOT. */
FUNCTION(js_reboot) { return result(ctx, "reboot", reboot(integer(ctx, argv[0]))); }
FUNCTION(js_sync) {
  sync();
  return JS_UNDEFINED;
}

FUNCTION(js_set_clock) {
  struct timespec now = {.tv_sec = long_integer(ctx, argv[0]), .tv_nsec = long_integer(ctx, argv[1])};
  return result(ctx, "clock_settime", clock_settime(CLOCK_REALTIME, &now));
}

/* addEntropy(bytes): credits the random pool, then makes the generator use it now. */
FUNCTION(js_add_entropy) {
  size_t length;
  uint8_t *start = bytes(ctx, argv[0], &length);
  if (!start) return JS_EXCEPTION;
  struct rand_pool_info *pool = malloc(sizeof *pool + length);
  if (!pool) return JS_ThrowOutOfMemory(ctx);
  pool->entropy_count = length * 8;
  pool->buf_size = length;
  memcpy(pool->buf, start, length);
  const int fd = open("/dev/urandom", O_RDWR | O_CLOEXEC);
  int value = fd < 0 ? -1 : ioctl(fd, RNDADDENTROPY, pool);
  if (value == 0) value = ioctl(fd, RNDRESEEDCRNG);
  JSValue answer = result(ctx, "reseed", value);
  explicit_bzero(pool, sizeof *pool + length);
  free(pool);
  if (fd >= 0) close(fd);
  return answer;
}

static const JSCFunctionListEntry functions[] = {
    JS_CFUNC_DEF("mount", 5, js_mount),
    JS_CFUNC_DEF("umount", 2, js_umount),
    JS_CFUNC_DEF("chroot", 1, js_chroot),
    JS_CFUNC_DEF("stdio", 1, js_stdio),
    JS_CFUNC_DEF("setHostname", 1, js_sethostname),
    JS_CFUNC_DEF("interfaceUp", 1, js_interface_up),
    JS_CFUNC_DEF("reboot", 1, js_reboot),
    JS_CFUNC_DEF("sync", 0, js_sync),
    JS_CFUNC_DEF("setClock", 2, js_set_clock),
    JS_CFUNC_DEF("addEntropy", 1, js_add_entropy),
};
const struct subject machine_calls = SUBJECT(functions);
