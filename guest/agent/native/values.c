/* Arguments and results: what JavaScript passes as what C takes, and back. */
#include "syscalls.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

JSValue fail(JSContext *ctx, const char *call, int error) {
  JSValue object = JS_NewError(ctx);
  char text[512];
  const char *name = strerrorname_np(error);
  snprintf(text, sizeof text, "%s: %s", call, strerror(error));
  const int flags = JS_PROP_CONFIGURABLE | JS_PROP_WRITABLE;
  JS_DefinePropertyValueStr(ctx, object, "message", JS_NewString(ctx, text), flags);
  JS_DefinePropertyValueStr(ctx, object, "errno", JS_NewInt32(ctx, error), flags);
  JS_DefinePropertyValueStr(ctx, object, "code", JS_NewString(ctx, name ? name : "EUNKNOWN"), flags);
  return JS_Throw(ctx, object);
}

JSValue fail_at(JSContext *ctx, const char *call, const char *path, int error) {
  char text[384];
  snprintf(text, sizeof text, "%s %s", call, path);
  return fail(ctx, text, error);
}

JSValue result(JSContext *ctx, const char *call, long value) {
  return value < 0 ? fail(ctx, call, errno) : JS_NewInt64(ctx, value);
}

JSValue result_at(JSContext *ctx, const char *call, const char *path, long value) {
  return value < 0 ? fail_at(ctx, call, path, errno) : JS_NewInt64(ctx, value);
}

int integer(JSContext *ctx, JSValueConst value) {
  int32_t number = 0;
  JS_ToInt32(ctx, &number, value);
  return number;
}

int64_t long_integer(JSContext *ctx, JSValueConst value) {
  int64_t number = 0;
  JS_ToInt64(ctx, &number, value);
  return number;
}

const char *text(JSContext *ctx, JSValueConst value) {
  size_t length;
  const char *string = JS_ToCStringLen(ctx, &length, value);
  if (string && strlen(string) != length) {
    JS_FreeCString(ctx, string);
    JS_ThrowTypeError(ctx, "a string argument holds a NUL byte");
    return NULL;
  }
  return string;
}

void free_text(JSContext *ctx, const char *string) {
  if (string) JS_FreeCString(ctx, string);
}

uint8_t *bytes(JSContext *ctx, JSValueConst value, size_t *length) {
  size_t offset, size, element, whole;
  JSValue buffer = JS_GetTypedArrayBuffer(ctx, value, &offset, &size, &element);
  if (JS_IsException(buffer)) return NULL;
  uint8_t *start = JS_GetArrayBuffer(ctx, &whole, buffer);
  JS_FreeValue(ctx, buffer);
  if (!start) return NULL;
  *length = size;
  return start + offset;
}

static void free_block(JSRuntime *runtime, void *opaque, void *block) {
  free(block);
}

JSValue owned_bytes(JSContext *ctx, uint8_t *block, size_t length) {
  JSValue buffer = JS_NewArrayBuffer(ctx, block, length, free_block, NULL, 0);
  if (JS_IsException(buffer)) return buffer;
  /* The constructor reads offset and length whatever their number is said to be. */
  JSValueConst arguments[] = {buffer, JS_UNDEFINED, JS_UNDEFINED};
  JSValue array = JS_NewTypedArray(ctx, 3, arguments, JS_TYPED_ARRAY_UINT8);
  JS_FreeValue(ctx, buffer);
  return array;
}

void free_vector(char **strings) {
  for (char **each = strings; each && *each; each++) free(*each);
  free(strings);
}

char **vector(JSContext *ctx, JSValueConst array) {
  JSValue length_value = JS_GetPropertyStr(ctx, array, "length");
  const int length = integer(ctx, length_value);
  JS_FreeValue(ctx, length_value);
  char **strings = calloc(length + 1, sizeof *strings);
  if (!strings) return JS_ThrowOutOfMemory(ctx), NULL;
  for (int index = 0; index < length; index++) {
    JSValue item = JS_GetPropertyUint32(ctx, array, index);
    const char *string = text(ctx, item);
    JS_FreeValue(ctx, item);
    strings[index] = string ? strdup(string) : NULL;
    if (string && !strings[index]) JS_ThrowOutOfMemory(ctx);
    free_text(ctx, string);
    if (!strings[index]) return free_vector(strings), NULL;
  }
  return strings;
}
