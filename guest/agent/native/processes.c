/* Processes: their start, their end, and their limits. */
#include "syscalls.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* spawn(argv, env, fds): runs argv[0] with exactly these descriptors as 0, 1, 2, ... in a new session; its pid. */
FUNCTION(js_spawn) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
  JSValue length_value = JS_GetPropertyStr(ctx, argv[2], "length");
  const int length = integer(ctx, length_value);
  JS_FreeValue(ctx, length_value);
  /* Duplicates above the targets first: a plain dup2 chain would overwrite a source that is also a target. */
  int high[16], used = 0, error = length > 16 ? E2BIG : 0;
  /* Without one of its descriptors the program would have the agent's own. */
  for (; !error && used < length; used++) {
    JSValue item = JS_GetPropertyUint32(ctx, argv[2], used);
    high[used] = fcntl(integer(ctx, item), F_DUPFD_CLOEXEC, 64);
    error = high[used] < 0 ? errno : posix_spawn_file_actions_adddup2(&actions, high[used], used);
    JS_FreeValue(ctx, item);
  }
  char **arguments = vector(ctx, argv[0]), **environment = arguments ? vector(ctx, argv[1]) : NULL;
  JSValue answer = JS_EXCEPTION;
  if (environment) {
    pid_t pid = -1;
    if (!error) error = posix_spawn(&pid, arguments[0], &actions, &attributes, arguments, environment);
    answer = error ? fail_at(ctx, "spawn", arguments[0] ? arguments[0] : "", error) : JS_NewInt32(ctx, pid);
  }
  for (int index = 0; index < used; index++) close(high[index]);
  free_vector(arguments), free_vector(environment);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return answer;
}

/* execute(path, argv, env): comes back only with an error. */
FUNCTION(js_execute) {
  const char *path = text(ctx, argv[0]);
  if (!path) return JS_EXCEPTION;
  char **arguments = vector(ctx, argv[1]), **environment = arguments ? vector(ctx, argv[2]) : NULL;
  JSValue answer = JS_EXCEPTION;
  if (environment) {
    execve(path, arguments, environment);
    answer = fail_at(ctx, "execve", path, errno);
  }
  free_vector(arguments), free_vector(environment);
  free_text(ctx, path);
  return answer;
}

/* reap(): [pid, wait status] of one ended child, or null. */
FUNCTION(js_reap) {
  int status;
  const pid_t pid = waitpid(-1, &status, WNOHANG);
  if (pid <= 0) return JS_NULL;
  JSValue array = JS_NewArray(ctx);
  JS_SetPropertyUint32(ctx, array, 0, JS_NewInt32(ctx, pid));
  JS_SetPropertyUint32(ctx, array, 1, JS_NewInt32(ctx, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)));
  return array;
}

/* childSignals(): blocks SIGCHLD, ignores SIGPIPE; a descriptor that is readable when a child has ended. */
FUNCTION(js_child_signals) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  sigprocmask(SIG_BLOCK, &set, NULL);
  signal(SIGPIPE, SIG_IGN);
  return result(ctx, "signalfd", signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

FUNCTION(js_kill) { return result(ctx, "kill", kill(integer(ctx, argv[0]), integer(ctx, argv[1]))); }

/* limitFiles(soft, hard) */
FUNCTION(js_limit_files) {
  struct rlimit limit = {.rlim_cur = long_integer(ctx, argv[0]), .rlim_max = long_integer(ctx, argv[1])};
  return result(ctx, "setrlimit", setrlimit(RLIMIT_NOFILE, &limit));
}

/* unlimitUsers() */
FUNCTION(js_unlimit_users) {
  const struct rlimit limit = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
  return result(ctx, "setrlimit", setrlimit(RLIMIT_NPROC, &limit) < 0 ? -1 : setrlimit(RLIMIT_SIGPENDING, &limit));
}

static const JSCFunctionListEntry functions[] = {
    JS_CFUNC_DEF("spawn", 3, js_spawn),
    JS_CFUNC_DEF("execute", 3, js_execute),
    JS_CFUNC_DEF("reap", 0, js_reap),
    JS_CFUNC_DEF("childSignals", 0, js_child_signals),
    JS_CFUNC_DEF("kill", 2, js_kill),
    JS_CFUNC_DEF("limitFiles", 2, js_limit_files),
    JS_CFUNC_DEF("unlimitUsers", 0, js_unlimit_users),
};
const struct subject process_calls = SUBJECT(functions);
