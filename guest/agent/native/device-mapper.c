/* The device mapper. */
#include "syscalls.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define MAPPER "/dev/mapper/control"

struct mapping {
  struct dm_ioctl head;
  struct dm_target_spec target;
  char parameters[1024];
};

/* Fills in what every command has; the mapping is the device `name`. */
static void address(struct mapping *mapping, const char *name, uint32_t flags) {
  mapping->head = (struct dm_ioctl){.version = {DM_VERSION_MAJOR, 0, 0}, .data_size = sizeof *mapping, .flags = flags};
  mapping->head.data_start = sizeof mapping->head;
  snprintf(mapping->head.name, sizeof mapping->head.name, "%s", name);
}

/* The minor number of a new device that can only be read, or -1 with errno; nothing is left of one that failed. */
static long map_device(int fd, struct mapping *mapping, const char *name) {
  address(mapping, name, 0);
  if (ioctl(fd, DM_DEV_CREATE, mapping) < 0) return -1;
  const uint64_t dev = mapping->head.dev;
  address(mapping, name, DM_READONLY_FLAG);
  mapping->head.target_count = 1;
  int value = ioctl(fd, DM_TABLE_LOAD, mapping);
  /* Without a flag this resumes: the table counts from now on, and the device gets its node. */
  address(mapping, name, 0);
  if (value == 0) value = ioctl(fd, DM_DEV_SUSPEND, mapping);
  /* Eight bits of the minor number, the major one, and the rest of the minor one. */
  if (value == 0) return (dev & 0xff) | ((dev >> 12) & 0xfff00);
  const int error = errno;
  address(mapping, name, 0);
  ioctl(fd, DM_DEV_REMOVE, mapping);
  errno = error;
  return -1;
}

/* mapDevice(name, sectors, type, parameters): a device of one target, only to be read; its minor number. */
FUNCTION(js_map_device) {
  const char *name = text(ctx, argv[0]), *type = text(ctx, argv[2]), *parameters = text(ctx, argv[3]);
  JSValue answer = JS_EXCEPTION;
  if (name && type && parameters) {
    struct mapping mapping = {.target = {.length = long_integer(ctx, argv[1])}};
    snprintf(mapping.target.target_type, sizeof mapping.target.target_type, "%s", type);
    const int length = snprintf(mapping.parameters, sizeof mapping.parameters, "%s", parameters);
    const int fd = open(MAPPER, O_RDWR | O_CLOEXEC);
    long value = -1;
    if ((size_t)length >= sizeof mapping.parameters) errno = E2BIG;
    else if (fd >= 0) value = map_device(fd, &mapping, name);
    answer = result_at(ctx, "map device", name, value);
    if (fd >= 0) close(fd);
  }
  free_text(ctx, name), free_text(ctx, type), free_text(ctx, parameters);
  return answer;
}

/* unmapDevice(name) */
FUNCTION(js_unmap_device) {
  const char *name = text(ctx, argv[0]);
  if (!name) return JS_EXCEPTION;
  struct mapping mapping = {0};
  address(&mapping, name, 0);
  const int fd = open(MAPPER, O_RDWR | O_CLOEXEC);
  JSValue answer = result_at(ctx, "unmap device", name, fd < 0 ? -1 : ioctl(fd, DM_DEV_REMOVE, &mapping));
  if (fd >= 0) close(fd);
  free_text(ctx, name);
  return answer;
}

static const JSCFunctionListEntry functions[] = {
    JS_CFUNC_DEF("mapDevice", 4, js_map_device),
    JS_CFUNC_DEF("unmapDevice", 1, js_unmap_device),
};
const struct subject mapper_calls = SUBJECT(functions);
