/* Text as bytes in UTF-8, and back. */
#include "syscalls.h"
#include <stdlib.h>
#include <string.h>

FUNCTION(js_utf8_encode) {
  size_t length;
  const char *string = JS_ToCStringLen(ctx, &length, argv[0]);
  if (!string) return JS_EXCEPTION;
  uint8_t *copy = malloc(length ? length : 1);
  if (copy) memcpy(copy, string, length);
  JS_FreeCString(ctx, string);
  return copy ? owned_bytes(ctx, copy, length) : JS_ThrowOutOfMemory(ctx);
}

FUNCTION(js_utf8_decode) {
  size_t length;
  uint8_t *start = bytes(ctx, argv[0], &length);
  return start ? JS_NewStringLen(ctx, (const char *)start, length) : JS_EXCEPTION;
}

static const JSCFunctionListEntry functions[] = {
    JS_CFUNC_DEF("utf8Encode", 1, js_utf8_encode),
    JS_CFUNC_DEF("utf8Decode", 1, js_utf8_decode),
};
const struct subject text_calls = SUBJECT(functions);
