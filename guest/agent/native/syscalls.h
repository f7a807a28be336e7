/*
 * What the files of this directory share. Each has the system calls of one subject, one QuickJS function each, without policy. A failed call throws
 * an Error with `errno` (number), `code` ("ENOENT") and a message that names the call. ../types/syscalls.d.ts documents the JavaScript side; keep
 * both in step. To be included first.
 */
#pragma once
#define _GNU_SOURCE
#include <quickjs.h>

#define FUNCTION(name) static JSValue name(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv)

/* The functions of a file, by their names in JavaScript. */
struct subject {
  const JSCFunctionListEntry *functions;
  int count;
};
#define SUBJECT(list) {list, sizeof list / sizeof *list}
extern const struct subject text_calls;
extern const struct subject file_calls;
extern const struct subject descriptor_calls;
extern const struct subject child_calls;
extern const struct subject mapper_calls;
extern const struct subject machine_calls;
extern const struct subject module_calls;
extern const struct subject process_calls;
extern const struct subject readiness_calls;
extern const struct subject socket_calls;
extern const struct subject transfer_calls;
extern const struct subject rejection_calls;

/* Throws `error`, an errno, as that of `call`; fail_at() names the path too. */
JSValue fail(JSContext *ctx, const char *call, int error);
JSValue fail_at(JSContext *ctx, const char *call, const char *path, int error);
/* -1 becomes an exception with errno, everything else a number. */
JSValue result(JSContext *ctx, const char *call, long value);
JSValue result_at(JSContext *ctx, const char *call, const char *path, long value);

int integer(JSContext *ctx, JSValueConst value);
int64_t long_integer(JSContext *ctx, JSValueConst value);

/* A C string that free_text() gives back; NULL with an exception pending, or for a path with a NUL inside. */
const char *text(JSContext *ctx, JSValueConst value);
void free_text(JSContext *ctx, const char *string);

/* A file's name as a string. A byte b that is of no character in UTF-8 becomes the surrogate U+DC00 + b, which text() turns back into it. */
JSValue name_of(JSContext *ctx, const char *name);

/* The bytes of a typed array; the caller keeps `value` alive for as long as it uses them. */
uint8_t *bytes(JSContext *ctx, JSValueConst value, size_t *length);
/* A Uint8Array over `block`, which it owns from now on. */
JSValue owned_bytes(JSContext *ctx, uint8_t *block, size_t length);

/* A NULL-terminated vector of C strings from an array of strings; free_vector() gives it back. NULL with an exception pending. */
char **vector(JSContext *ctx, JSValueConst array);
void free_vector(char **strings);
