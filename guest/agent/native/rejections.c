/* Promises that are rejected and have no handler. */
#include "syscalls.h"

static JSValue rejection_handler;

static void track_rejection(JSContext *ctx, JSValueConst promise, JSValueConst reason, JS_BOOL handled, void *opaque) {
  JSValueConst arguments[] = {promise, reason, handled ? JS_TRUE : JS_FALSE};
  JS_FreeValue(ctx, JS_Call(ctx, rejection_handler, JS_UNDEFINED, 3, arguments));
}

/* onRejection(handler): handler(promise, reason, handled) for each promise rejected without, or given, a handler. */
FUNCTION(js_on_rejection) {
  JS_FreeValue(ctx, rejection_handler);
  rejection_handler = JS_DupValue(ctx, argv[0]);
  JS_SetHostPromiseRejectionTracker(JS_GetRuntime(ctx), track_rejection, NULL);
  return JS_UNDEFINED;
}

static const JSCFunctionListEntry functions[] = {
    JS_CFUNC_DEF("onRejection", 1, js_on_rejection),
};
const struct subject rejection_calls = SUBJECT(functions);
