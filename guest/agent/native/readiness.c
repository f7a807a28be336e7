/* Readiness of descriptors: epoll(7). */
#include "syscalls.h"
#include <errno.h>
#include <sys/epoll.h>

FUNCTION(js_epoll_create) { return result(ctx, "epoll_create1", epoll_create1(EPOLL_CLOEXEC)); }

/* epollControl(epoll, operation, fd, events) */
FUNCTION(js_epoll_control) {
  struct epoll_event event = {.events = (uint32_t)long_integer(ctx, argv[3]), .data.fd = integer(ctx, argv[2])};
  return result(ctx, "epoll_ctl", epoll_ctl(integer(ctx, argv[0]), integer(ctx, argv[1]), event.data.fd, &event));
}

/* epollWait(epoll): what is ready now, flat: fd, events, fd, events, ... */
FUNCTION(js_epoll_wait) {
  struct epoll_event events[32];
  const int count = epoll_wait(integer(ctx, argv[0]), events, 32, 0);
  if (count < 0 && errno != EINTR) return fail(ctx, "epoll_wait", errno);
  JSValue array = JS_NewArray(ctx);
  for (int index = 0; index < count; index++) {
    JS_SetPropertyUint32(ctx, array, 2 * index, JS_NewInt32(ctx, events[index].data.fd));
    JS_SetPropertyUint32(ctx, array, 2 * index + 1, JS_NewUint32(ctx, events[index].events));
  }
  return array;
}

static const JSCFunctionListEntry functions[] = {
    JS_CFUNC_DEF("epollCreate", 0, js_epoll_create),
    JS_CFUNC_DEF("epollControl", 4, js_epoll_control),
    JS_CFUNC_DEF("epollWait", 1, js_epoll_wait),
};
const struct subject readiness_calls = SUBJECT(functions);
