/*
 * libsystemd.so.0 for the guest: every symbol that Debian's crun imports from it, and nothing behind them.
 *
 * Debian links crun against libsystemd, so the dynamic linker wants the library and all these symbols before crun's
 * main() begins. The real one costs the guest 2 MB of memory (it brings libm along) and the time to load them, but crun
 * calls it in three cases only, none of which the guest has:
 *
 *   sd_bus_*       with --cgroup-manager=systemd; the agent always gives --cgroup-manager=cgroupfs
 *   sd_notify*     with NOTIFY_SOCKET in crun's own environment; the agent gives crun an environment without it
 *   sd_journal_*   with --log=journald:...; the agent always gives --log=file:...
 *
 * If one is reached all the same, it fails as libsystemd does on a system without systemd. That a crun imports nothing
 * beyond this list is verified whenever an image is built (src/guest-image/initrd.ts). Versions: libsystemd-stub.map.
 */
#include <errno.h>
#include <stddef.h>

/* Parameters are left out: the caller of the System V ABI cleans them up. */
#define UNAVAILABLE(function) int function(void) { return -ENOSYS; }

UNAVAILABLE(sd_bus_call)
UNAVAILABLE(sd_bus_default_system)
UNAVAILABLE(sd_bus_default_user)
UNAVAILABLE(sd_bus_match_signal_async)
UNAVAILABLE(sd_bus_message_append)
UNAVAILABLE(sd_bus_message_append_array)
UNAVAILABLE(sd_bus_message_append_basic)
UNAVAILABLE(sd_bus_message_append_strv)
UNAVAILABLE(sd_bus_message_close_container)
UNAVAILABLE(sd_bus_message_new_method_call)
UNAVAILABLE(sd_bus_message_open_container)
UNAVAILABLE(sd_bus_message_read)
UNAVAILABLE(sd_bus_process)
UNAVAILABLE(sd_bus_wait)
UNAVAILABLE(sd_journal_send_with_location)
UNAVAILABLE(sd_notify)
UNAVAILABLE(sd_notify_barrier)

/* Unlike the others, sd_bus_error_get_errno(3) gives a positive errno. */
int sd_bus_error_get_errno(void) { return ENOSYS; }
void sd_bus_error_free(void) {}
/* They return what remains of the reference: always NULL. */
void *sd_bus_message_unref(void) { return NULL; }
void *sd_bus_unref(void) { return NULL; }
