/* The module `syscalls`: the functions of all subjects. */
#include "syscalls.h"

static const struct subject *const subjects[] = {
    &text_calls,
    &file_calls,
    &descriptor_calls,
    &child_calls,
    &mapper_calls,
    &machine_calls,
    &module_calls,
    &process_calls,
    &readiness_calls,
    &socket_calls,
    &transfer_calls,
    &rejection_calls,
};
static const int count = sizeof subjects / sizeof *subjects;

static int start(JSContext *ctx, JSModuleDef *module) {
  for (int at = 0; at < count; at++)
    if (JS_SetModuleExportList(ctx, module, subjects[at]->functions, subjects[at]->count) < 0) return -1;
  return 0;
}

/* Called by the main() that qjsc generates. */
JSModuleDef *js_init_module_syscalls(JSContext *ctx, const char *name) {
  JSModuleDef *module = JS_NewCModule(ctx, name, start);
  for (int at = 0; module && at < count; at++)
    JS_AddModuleExportList(ctx, module, subjects[at]->functions, subjects[at]->count);
  return module;
}
