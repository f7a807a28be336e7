/* Arguments and results: what JavaScript passes as what C takes, and back. */
#include "syscalls.h"
#include <errno.h>
#include <limits.h>
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

/* Puts back the bytes of a name that name_of() made: the surrogate U+DC00 + b, of three bytes, was the byte b. */
static void restore_bytes(uint8_t *at) {
  uint8_t *to = at;
  do {
    const int is_byte = at[0] == 0xed && (at[1] & 0xfe) == 0xb2 && (at[2] & 0xc0) == 0x80;
    if (is_byte) *to = 0x80 | (at[1] & 1) << 6 | (at[2] & 0x3f);
    else *to = *at;
    at += is_byte ? 3 : 1;
  } while (*to++);
}

const char *text(JSContext *ctx, JSValueConst value) {
  size_t length;
  const char *string = JS_ToCStringLen(ctx, &length, value);
  if (string && strlen(string) != length) {
    JS_FreeCString(ctx, string);
    JS_ThrowTypeError(ctx, "a string argument holds a NUL byte");
    return NULL;
  }
  /* QuickJS makes a copy of a string that is not all ASCII. */
  if (string && strchr(string, 0xed)) restore_bytes((uint8_t *)string);
  return string;
}

/* How many bytes a character takes, by RFC 3629; 0 for what is none. */
static int character_bytes(const uint8_t *at) {
  const uint8_t first = at[0];
  const int length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  for (int index = 1; index < length; index++)
    if ((at[index] & 0xc0) != 0x80) return 0;
  const int is_overlong = (first == 0xe0 && at[1] < 0xa0) || (first == 0xf0 && at[1] < 0x90);
  const int is_none = (first == 0xed && at[1] >= 0xa0) || (first == 0xf4 && at[1] >= 0x90);
  return is_overlong || is_none ? 0 : length;
}

JSValue name_of(JSContext *ctx, const char *name) {
  uint8_t encoded[3 * NAME_MAX + 4];
  size_t length = 0;
  for (const uint8_t *at = (const uint8_t *)name; *at && length + 4 <= sizeof encoded;) {
    const int bytes = character_bytes(at);
    memcpy(encoded + length, at, bytes);
    length += bytes;
    if (bytes == 0) {
      encoded[length++] = 0xed;
      encoded[length++] = 0xb2 | (*at >> 6 & 1);
      encoded[length++] = 0x80 | (*at & 0x3f);
    }
    at += bytes ? bytes : 1;
  }
  return JS_NewStringLen(ctx, (const char *)encoded, length);
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
